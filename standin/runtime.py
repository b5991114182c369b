"""The parts of one running stand-in, in one place."""

from dataclasses import dataclass, field, replace

from standin.config import StandinConfig
from standin.customers import Phone
from standin.faults import Faults
from standin.plugin import Plugin
from standin.receipts import Receipts
from standin.state import World
from standin.webhooks_out import Webhooks


@dataclass(slots=True)
class Runtime:
    """Memory, fault plan, sender of webhooks, receipts and the customers' phones."""

    world: World
    faults: Faults
    webhooks: Webhooks
    receipts: Receipts
    phone: Phone
    initial: StandinConfig
    plugins: list[Plugin] = field(default_factory=list)

    @property
    def pending(self) -> int:
        """How many webhooks of all platforms wait, are on their way or come again."""
        return self.webhooks.pending + sum(plugin.pending for plugin in self.plugins)

    def reset(self, keep_app: bool) -> None:
        """Forget everything; without `keep_app` the configuration of the start is back too."""
        self.receipts.forget()
        self.webhooks.forget()
        self.faults.clear()
        self.world.forget()
        for plugin in self.plugins:
            plugin.reset(keep_app)
        if not keep_app:
            self.world.config = replace(self.initial)


def make_runtime(config: StandinConfig) -> Runtime:
    """Put the parts together. The given configuration is copied, so the control API does not change it."""
    world = World(replace(config))
    faults = Faults()
    webhooks = Webhooks(world, faults)
    receipts = Receipts(world, webhooks)
    return Runtime(world, faults, webhooks, receipts, Phone(world, webhooks), config)
