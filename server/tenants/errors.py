"""What can be refused about organizations, units and people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from server.kit.errors import DomainError


class UnitMisplaced(DomainError):
    """A unit of this kind cannot stand under that parent."""

    code = "unit.misplaced"


class UnitCycle(DomainError):
    """A unit cannot stand under itself or under what stands under it."""

    code = "unit.cycle"


class UnitTooDeep(DomainError):
    """A tree has a limited number of levels below headquarters."""

    code = "unit.too_deep"


class UnitArchived(DomainError):
    """The unit is archived: nothing is sent from it, released to it, connected to it or put under it."""

    code = "unit.archived"

    def __init__(self, *, path: Sequence[str] = ("unitId",)) -> None:
        super().__init__("This unit is archived. Restore it first.", path=path)


class TreeBusy(DomainError):
    """Another change of the organization's units, such as an import, takes long."""

    code = "unit.tree_busy"

    def __init__(self) -> None:
        super().__init__("The units of your organization are being changed by somebody else. Retry in a few seconds.")


class ImportRefused(DomainError):
    """Some lines of an import's file are wrong; nothing of it was written."""

    code = "import.refused"

    def __init__(self, lines: int) -> None:
        super().__init__(f"{lines} lines of the file are wrong. Nothing was written; mend them and import again.")


class AlreadyExists(DomainError):
    """A name, code or address that must be unique in its place is taken."""

    code = "already_exists"


class Separated(DomainError):
    """This would let one person work for two units that are kept apart."""

    code = "conflict.separated"

    def __init__(self, *, path: Sequence[str] = (), data: Mapping[str, object] | None = None) -> None:
        super().__init__(
            "Your headquarters keeps units apart that this person or app would then reach together. Ask it for an exception.",
            path=path,
            data=data,
        )


class SettingLoosens(DomainError):
    """A unit may be stricter than the units above it, never looser; `data.limit` is the limit, `data.unitId` who set it."""

    code = "setting.loosens"
