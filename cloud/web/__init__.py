"""Pages and programming interface of the cloud."""
