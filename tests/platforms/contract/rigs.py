"""The rigs of all platforms that are built."""

from __future__ import annotations

from tests.platforms.contract.instagram import DirectRig, FacebookRig
from tests.platforms.contract.linkedin import LinkedInRig
from tests.platforms.contract.messenger import MessengerRig
from tests.platforms.contract.rig import Rig
from tests.platforms.contract.tiktok import TikTokRig
from tests.platforms.contract.x import XRig

RIGS: tuple[Rig, ...] = (
    MessengerRig(),
    DirectRig(),
    FacebookRig(),
    XRig("activity"),
    XRig("account"),
    LinkedInRig(),
    TikTokRig(),
)
