"""The demo's stranger asks for everything: a mutation that nobody thought of would end the demo day."""

from __future__ import annotations

from switchboard.demo.contract import Contract
from switchboard.demo.strangers import WITHOUT_IDS, inputs


def test_every_mutation_of_the_contract_is_asked_with_foreign_ids_or_needs_none() -> None:
    contract = Contract()
    mutations = {name for name in contract.names if contract.operation(name).kind == "mutation"}

    asked = {name for name, _ in inputs("unit_1", lambda kind: f"{kind}_1")}

    assert mutations - asked == WITHOUT_IDS
    assert asked <= mutations
