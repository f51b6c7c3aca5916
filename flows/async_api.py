"""The AsyncAPI 3 document of the events, from the same models as their schemas."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import yaml
from pydantic.json_schema import models_json_schema

from flows.event_schemas import SCHEMAS_FOLDER, without_closing
from flows.event_types import DATA_TYPES, LARGEST, SCHEMA_VERSION, schema_id

if TYPE_CHECKING:
    from flows.event_types import Data

ASYNC_API = SCHEMAS_FOLDER / "asyncapi.yaml"

_REF = "#/components/schemas/{model}"
_STRUCTURED = "application/cloudevents+json"

# What the sinks do unless the settings say otherwise; a channel a kind of sink, named after it.
_CHANNELS: dict[str, dict[str, Any]] = {
    "webhook": {
        "address": None,
        "description": "HTTP POST to the address in the settings, one event a request.",
    },
    "nats": {
        "address": "valuemart.>",
        "description": "NATS JetStream: the subject is the event's type, `Nats-Msg-Id` its id.",
    },
    "kafka": {
        "address": "valuemart.events",
        "description": "Apache Kafka: the key is `partitionkey`, so a customer's events lie in one partition.",
    },
    "redis": {
        "address": "valuemart.events",
        "description": "Redis Streams: the entry's field `event` is the event, its attributes are fields beside it.",
    },
    "amqp": {
        "address": "valuemart.events",
        "description": "RabbitMQ: a durable topic exchange; the routing key is the event's type.",
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {
                    "name": "valuemart.events",
                    "type": "topic",
                    "durable": True,
                    "autoDelete": False,
                },
            }
        },
    },
    "mqtt": {
        "address": "valuemart/events",
        "description": "MQTT 5, quality of service 1; the attributes are user properties, too.",
    },
}
_OPERATION_BINDINGS = {
    "webhook": {"http": {"method": "POST"}},
    "amqp": {"amqp": {"deliveryMode": 2, "mandatory": True, "ack": True}},
    "mqtt": {"mqtt": {"qos": 1, "retain": False}},
}


def async_api() -> dict[str, Any]:
    """The document as a value."""
    _, definitions = models_json_schema([(data, "serialization") for data in DATA_TYPES], ref_template=_REF)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "valuemart events",
            "version": SCHEMA_VERSION,
            "description": (
                "What changes in a customer's value, credit and conduct, as CloudEvents 1.0. At least once, each "
                "customer's events in order: drop an id that was seen, and a sequence below the customer's last one. "
                f"An event takes less than {LARGEST // 1024} KiB."
            ),
        },
        "defaultContentType": _STRUCTURED,
        "channels": {
            kind: {
                **channel,
                "messages": {
                    data.type: {"$ref": f"#/components/messages/{data.type}"} for data in DATA_TYPES
                },
            }
            for kind, channel in _CHANNELS.items()
        },
        "operations": {
            f"sendTo{kind.capitalize()}": {
                "action": "send",
                "channel": {"$ref": f"#/channels/{kind}"},
                **({"bindings": _OPERATION_BINDINGS[kind]} if kind in _OPERATION_BINDINGS else {}),
            }
            for kind in _CHANNELS
        },
        "components": {
            "messages": {data.type: _message(data) for data in DATA_TYPES},
            "schemas": {"CloudEvent": _envelope(), **without_closing(definitions["$defs"])},
        },
    }


def async_api_text() -> str:
    """The document as it is kept."""
    return yaml.safe_dump(async_api(), sort_keys=False, allow_unicode=True, width=120)


def _message(data: type[Data]) -> dict[str, Any]:
    return {
        "name": data.type,
        "title": data.__name__,
        "summary": inspect.getdoc(data),
        "contentType": _STRUCTURED,
        "bindings": {"kafka": {"key": {"type": "string", "description": "The event's partitionkey."}}},
        "payload": {
            "allOf": [
                {"$ref": "#/components/schemas/CloudEvent"},
                {
                    "type": "object",
                    "properties": {
                        "type": {"const": data.type},
                        "dataschema": {"const": schema_id(data)},
                        "data": {"$ref": _REF.format(model=data.__name__)},
                    },
                },
            ]
        },
    }


def _envelope() -> dict[str, Any]:
    """What `Event.body` puts around a payload."""
    fields = {
        "specversion": {"const": "1.0"},
        "id": {
            "type": "string",
            "format": "uuid",
            "description": "The same for the same facts; drop a repetition.",
        },
        "source": {"type": "string", "format": "uri-reference", "description": "`/valuemart/<tenant>`."},
        "type": {"type": "string"},
        "subject": {"type": "string", "description": "`<company_code>/<customer_id>`."},
        "partitionkey": {"type": "string", "description": "The same as the subject."},
        "sequence": {
            "type": "string",
            "pattern": "^[0-9]{20}$",
            "description": "Rises with each event of a customer, over all types; sorts as text.",
        },
        "time": {
            "type": "string",
            "format": "date-time",
            "description": "Business time: the day the rating speaks for.",
        },
        "recordedtime": {
            "type": "string",
            "format": "date-time",
            "description": "When the event was written.",
        },
        "datacontenttype": {"const": "application/json"},
        "dataschema": {
            "type": "string",
            "format": "uri",
            "description": "Name and version of the schema of `data`.",
        },
        "data": {"type": "object"},
    }
    return {"type": "object", "required": list(fields), "properties": fields}
