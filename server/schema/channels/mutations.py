"""Mutations of channels: connecting pages in two steps, and disconnecting one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, cast
from uuid import UUID

import strawberry

from server.channels import service
from server.channels.errors import PageInOtherUnit
from server.channels.service import Dialogue, PageResult, Wanted, callback_uri
from server.kit.errors import DomainError, InvalidInput
from server.platforms.port import Connector
from server.platforms.registry import ChannelNotOffered
from server.schema.channels.types import ChannelConnection, Page
from server.schema.context import Info
from server.schema.cost import USER_ERRORS, ListSize
from server.schema.declarations import readable
from server.schema.enums import Channel, ListFormat, Login
from server.schema.nodes import Kind, found, gid, uid, uid_or_none
from server.schema.results import (
    WRITES,
    DetailedError,
    ErrorDetail,
    UserError,
    UserErrorCode,
    enum_name,
    mutation,
    perform,
)
from server.schema.tenants.operations import Operation
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork

MAX_CHOICES = 250


@strawberry.input(description="Which network to connect, and where the person goes afterwards.")
class ChannelConnectBeginInput:
    """What a consent dialogue needs."""

    channel: Channel = strawberry.field(description="The network.")
    unit_id: strawberry.ID = strawberry.field(description="The unit that the grant will belong to.")
    return_url: str | None = strawberry.field(
        default=None,
        description="Where the browser is sent at the end, with connection and completion or error as parameters: absolute"
        " https, or http on the loopback; at most 2,000 characters. Without it a plain page shows them.",
    )
    login: Login | None = strawberry.field(
        default=None,
        description="Through which login the person consents, where the network has several; null means its first.",
    )


@strawberry.type(description="A begun dialogue, or why there is none.")
class ChannelConnectBeginPayload:
    """Result of channelConnectBegin."""

    connection: ChannelConnection | None = strawberry.field(default=None, description="The begun connection.")
    authorize_url: str | None = strawberry.field(
        default=None, description="Send the person's browser there within 15 minutes; it works once."
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why there is none.", directives=USER_ERRORS
    )


@strawberry.input(description="One page to connect, and the unit it will belong to.")
class ChannelConnectChoice:
    """One choice."""

    external_id: str = strawberry.field(description="The externalId of a found page.")
    unit_id: strawberry.ID = strawberry.field(description="The unit; needs channel:connect there.")


@strawberry.input(description="Which of the found pages are connected.")
class ChannelConnectFinishInput:
    """What finishing needs."""

    connection_id: strawberry.ID = strawberry.field(description="The granted connection.")
    completion: str = strawberry.field(
        description="The code that only the browser at the end of the dialogue was given."
    )
    pages: list[ChannelConnectChoice] = strawberry.field(description="1 to 250 pages, each once.")


@readable(Permission.CHANNEL_CONNECT)
@strawberry.type(description="What became of one choice: a page, or why there is none.")
class ChannelConnectResult:
    """One line of channelConnectFinish."""

    external_id: str = strawberry.field(description="The externalId that was chosen.")
    page: Page | None = strawberry.field(description="The connected page.")
    user_errors: list[UserError] = strawberry.field(description="Why it was not connected.", directives=USER_ERRORS)


@strawberry.type(description="One result per choice, in their order; a page that fails does not keep the others away.")
class ChannelConnectFinishPayload:
    """Result of channelConnectFinish."""

    results: list[ChannelConnectResult] = strawberry.field(
        default_factory=list, description="What became of each choice."
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why nothing was tried.", directives=USER_ERRORS
    )


@strawberry.input(
    description="Which of the found pages are connected, by exactly one of unitId, pages and fileId.",
)
class ChannelConnectManyInput:
    """What connecting by the thousand needs."""

    connection_id: strawberry.ID = strawberry.field(description="The granted connection.")
    completion: str = strawberry.field(
        description="The code that only the browser at the end of the dialogue was given; it is used up."
    )
    unit_id: strawberry.ID | None = strawberry.field(
        default=None, description="Connect everything that was found to this unit; needs channel:connect there."
    )
    pages: list[ChannelConnectChoice] | None = strawberry.field(
        default=None, description="Connect these, each once: 1 to 10,000."
    )
    file_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="Connect those of a file that was sent to POST /files: columns or keys externalId and unitId, UTF-8, at"
        " most 10,000 lines and 4 MB.",
    )
    file_format: ListFormat = strawberry.field(default=ListFormat.CSV, description="How the file is written.")


@strawberry.type(description="The begun operation, or why there is none.")
class ChannelConnectManyPayload:
    """Result of channelConnectMany."""

    operation: Operation | None = strawberry.field(
        default=None,
        description="Watch it: its problems say which lines were refused and why; the others are connected.",
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why there is none.", directives=USER_ERRORS
    )


@strawberry.input(description="The page to stop acting for.")
class PageDisconnectInput:
    """Which page."""

    page_id: strawberry.ID = strawberry.field(description="The page.")


@strawberry.type(description="The disconnected page, or why it was not.")
class PageDisconnectPayload:
    """Result of pageDisconnect."""

    page: Page | None = strawberry.field(default=None, description="The page, kept for its history.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why it was not disconnected.", directives=USER_ERRORS
    )


@strawberry.type
class ChannelsMutation:
    """Root fields that connect and disconnect pages."""

    @mutation(
        Permission.CHANNEL_CONNECT,
        ChannelConnectBeginPayload,
        "Begin a platform's consent dialogue for a unit. Needs channel:connect on it. Each call begins a new dialogue, also"
        " under the same idempotency key: the address holds a secret that is never stored.",
    )
    async def channel_connect_begin(
        self, info: Info, input: Annotated[ChannelConnectBeginInput, strawberry.argument(description="The dialogue.")]
    ) -> ChannelConnectBeginPayload | None:
        """Begin a dialogue."""
        services = info.context.services
        connector = _connector(info, input.channel)
        redirect_uri = callback_uri(services.settings.web.public_url, input.channel)
        unit_id = uid(Kind.UNIT, input.unit_id, "unitId")
        async with info.context.write() as uow:
            row, url = await service.begin_connection(
                uow, connector, input.channel, unit_id, redirect_uri, Dialogue(input.return_url, input.login)
            )
        return ChannelConnectBeginPayload(connection=ChannelConnection.of(row), authorize_url=url)

    @mutation(
        Permission.CHANNEL_CONNECT,
        ChannelConnectFinishPayload,
        "Connect pages that a granted dialogue found. Only for the caller who began it; needs channel:connect on each unit.",
        costs=[*WRITES, ListSize(assumed_size=10, sized_fields=["results"], slicing_arguments=["input.pages"])],
    )
    async def channel_connect_finish(
        self, info: Info, input: Annotated[ChannelConnectFinishInput, strawberry.argument(description="The choices.")]
    ) -> ChannelConnectFinishPayload | None:
        """Connect the chosen pages."""
        if not 1 <= len(input.pages) <= MAX_CHOICES:
            raise InvalidInput(f"Choose 1 to {MAX_CHOICES} pages.", path=("pages",))
        choices = [
            (one.external_id, uid(Kind.UNIT, one.unit_id, "pages", str(place), "unitId"))
            for place, one in enumerate(input.pages)
        ]

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            connection_id = uid(Kind.CONNECTION, input.connection_id, "connectionId")
            results = await service.finish_connection(uow, connection_id, input.completion, choices)
            return {"results": [_line(one) for one in results]}

        done = await perform(info, input, effect)
        lines = cast("list[dict[str, Any]]", done["results"])
        return ChannelConnectFinishPayload(results=await asyncio.gather(*(_result(info, line) for line in lines)))

    @mutation(
        Permission.CHANNEL_CONNECT,
        ChannelConnectManyPayload,
        "Connect up to 10,000 pages of a granted dialogue in the background. Only for the caller who began it. A line whose unit"
        " the caller does not reach, or where channel:connect is missing now, is refused by itself, and so is a page that is"
        " connected elsewhere, which is never named. The problem's path ends with the page's externalId.",
        needs_key=True,
    )
    async def channel_connect_many(
        self, info: Info, input: Annotated[ChannelConnectManyInput, strawberry.argument(description="The list.")]
    ) -> ChannelConnectManyPayload | None:
        """Begin connecting."""
        wanted = Wanted(
            unit_id=uid_or_none(Kind.UNIT, input.unit_id, "unitId"),
            pages=None
            if input.pages is None
            else [
                (one.external_id, uid(Kind.UNIT, one.unit_id, "pages", str(place), "unitId"))
                for place, one in enumerate(input.pages)
            ],
            file_id=uid_or_none(Kind.FILE, input.file_id, "fileId"),
            file_format=input.file_format,
        )

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            connection_id = uid(Kind.CONNECTION, input.connection_id, "connectionId")
            row = await service.start_connecting(uow, connection_id, input.completion, wanted)
            return {"operation": gid(Kind.OPERATION, row.id)}

        done = await perform(info, input, effect)
        return ChannelConnectManyPayload(operation=await found(info.context, done["operation"], Operation))

    @mutation(
        Permission.CHANNEL_CONNECT,
        PageDisconnectPayload,
        "Stop acting for a page: its token is destroyed, its history stays. Needs channel:connect on its unit.",
    )
    async def page_disconnect(
        self, info: Info, input: Annotated[PageDisconnectInput, strawberry.argument(description="The page.")]
    ) -> PageDisconnectPayload | None:
        """Disconnect a page."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            row = await service.disconnect_page(uow, uid(Kind.PAGE, input.page_id, "pageId"))
            return {"page": gid(Kind.PAGE, row.id)}

        done = await perform(info, input, effect)
        return PageDisconnectPayload(page=await found(info.context, done["page"], Page))


def _connector(info: Info, channel: Channel) -> Connector:
    try:
        return info.context.services.registry.of(channel)
    except ChannelNotOffered as error:
        raise InvalidInput("This network cannot be connected here yet.", path=("channel",)) from error


def _line(result: PageResult) -> dict[str, object]:
    """Write one result as JSON, so that a repetition with the same idempotency key can build it again."""
    line: dict[str, object] = {"externalId": result.external_id, "page": None, "error": None}
    if result.page is not None:
        line["page"] = gid(Kind.PAGE, result.page.id)
    if result.error is not None:
        line["error"] = {
            "code": enum_name(result.error.code),
            "message": result.error.message,
            "path": list(result.error.path),
            "details": _details(result.error),
        }
    return line


def _details(error: DomainError) -> dict[str, object]:
    if isinstance(error, PageInOtherUnit):
        return {"unitId": gid(Kind.UNIT, UUID(str(error.data["unitId"])))}
    return dict(error.data)


async def _result(info: Info, line: Mapping[str, Any]) -> ChannelConnectResult:
    page = None if line["page"] is None else await found(info.context, line["page"], Page)
    errors = [] if line["error"] is None else [_error(line["error"])]
    return ChannelConnectResult(external_id=line["externalId"], page=page, user_errors=errors)


def _error(told: Mapping[str, Any]) -> UserError:
    return DetailedError(
        code=UserErrorCode[told["code"]],
        message=told["message"],
        path=told["path"],
        details=[ErrorDetail(name=name, values=[str(value)]) for name, value in told["details"].items()],
    )
