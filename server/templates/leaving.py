"""How templates leave: what a unit above wrote stays there."""

from __future__ import annotations

from server.templates.models import (
    ReplyTemplateRow,
    TemplateOverrideRow,
    TemplatePlacementRow,
    TemplateReleaseRow,
    TemplateVersionRow,
)
from server.tenants.leaving import How, Leaving, of_units

LEAVING = (
    Leaving(TemplateOverrideRow, How.ROWS, of_units(TemplateOverrideRow.unit_id)),
    Leaving(TemplatePlacementRow, How.ROWS, of_units(TemplatePlacementRow.unit_id)),
    Leaving(TemplateReleaseRow, How.ROWS, of_units(TemplateReleaseRow.unit_id)),
    Leaving(TemplateVersionRow, How.ROWS, of_units(TemplateVersionRow.unit_id)),
    Leaving(ReplyTemplateRow, How.ROWS, of_units(ReplyTemplateRow.unit_id)),
)
