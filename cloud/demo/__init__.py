"""The main job on one machine: every program as its own process, and the people.

``journey`` runs it; ``stage`` makes its folder, keys and configurations; ``programs``
starts and restarts the processes; ``people`` signs what people say; ``papers`` are
their order, certificate and consignment; ``disturbance`` kills and unplugs.
"""
