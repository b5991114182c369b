"""The workers on other data: a platform that takes 10 calls a second of a page and 40 a second of the whole app."""

from __future__ import annotations

import sys
from collections.abc import MutableMapping
from dataclasses import replace
from datetime import timedelta
from typing import cast

from server.platforms.capabilities import catalogue
from server.platforms.capabilities.capability import Capability, Quota
from server.platforms.port import Act, Channel, QuotaScope
from workers import main

PER_PAGE = 10
PER_APP = 40
WINDOW = timedelta(seconds=1)
QUOTAS = (
    Quota(Act.SEND, QuotaScope.PAGE, PER_PAGE, WINDOW),
    Quota(Act.SEND, QuotaScope.APP, PER_APP, WINDOW),
    Quota(Act.LIST, QuotaScope.PAGE, 2, WINDOW),
)

if __name__ == "__main__":
    known = cast("MutableMapping[Channel, tuple[Capability, ...]]", catalogue.CATALOGUE)
    known[Channel.MESSENGER] = tuple(replace(one, quotas=QUOTAS) for one in known[Channel.MESSENGER])
    main.main(sys.argv[1:])
