"""What a provider says about itself: forms, questions and schemas are made of it."""

from __future__ import annotations

from tests.conformance.bench import Calls


async def test_names_lead_from_the_type_to_the_app_and_to_the_credentials(calls: Calls) -> None:
    kind, issued = calls.provider, await calls.issue()
    fields = set(issued.values)
    assert set(kind.mapping().model_dump(by_alias=True)) <= fields
    assert kind.secret_fields
    assert kind.secret_fields <= fields
    assert not [secret for secret in calls.secrets(issued) if secret in f"{issued!r} {calls.candidate()!r}"]
    assert kind.initial_slots in {(0,), (1,), (0, 1), (1, 0)}
    assert kind.verify_successes >= 1
    assert kind.verify_patience >= 0
    assert not (kind.restores and kind.retires)


async def test_every_field_has_a_title_and_a_schema(calls: Calls) -> None:
    models = [calls.provider.parameters, calls.provider.mapping]
    for model in models:
        assert [name for name, field in model.model_fields.items() if not field.title] == []
        assert model.model_json_schema(by_alias=True)["properties"].keys() == {
            field.alias or name for name, field in model.model_fields.items()
        }
    assert calls.provider.check_parameters(calls.parameters, {}) == []
    for slot in (0, 1):
        assert calls.provider.identity(calls.parameters, slot)
