"""Which platforms beside Messenger this stand-in plays."""

from standin.instagram.plugin import InstagramPlugin
from standin.linkedin.plugin import LinkedIn
from standin.plugin import Plugin
from standin.runtime import Runtime
from standin.tiktok.plugin import TikTokPlugin
from standin.x.plugin import XPlugin


def make_plugins(run: Runtime) -> list[Plugin]:
    """One of each."""
    return [InstagramPlugin(run), LinkedIn(run), TikTokPlugin(run), XPlugin(run)]
