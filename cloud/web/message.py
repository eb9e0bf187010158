"""What every answer of the programming interface is: frozen, with stated units."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Instant = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
GBq = Annotated[float, Field(json_schema_extra={"x-ucum": "GBq"})]


class Message(BaseModel):
    """Base of everything that is answered: frozen, nothing unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid")
