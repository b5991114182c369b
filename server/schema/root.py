"""The schema: the slices' root fields, put together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Annotated, Any

import strawberry
from graphql import (
    DirectiveLocation,
    GraphQLArgument,
    GraphQLDirective,
    GraphQLError,
    GraphQLNonNull,
    GraphQLString,
)
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from server.config import OperationSettings
from server.kit.errors import InvalidInput
from server.schema.approvals.queries import ApprovalsQuery
from server.schema.audit.legal_queries import LegalQuery
from server.schema.audit.mutations import AuditMutation
from server.schema.audit.queries import AuditQuery
from server.schema.auth.app_mutations import AppsMutation
from server.schema.auth.app_queries import AppsQuery
from server.schema.auth.credentials import CredentialsMutation, CredentialsQuery
from server.schema.auth.factors import FactorsMutation, FactorsQuery
from server.schema.auth.mutations import AuthMutation
from server.schema.auth.passwords import PasswordMutation
from server.schema.auth.queries import AuthQuery
from server.schema.auth.sign_in import SignInMutation, SignInQuery
from server.schema.auth.verify import VerifyMutation
from server.schema.campaigns.mutations import CampaignsMutation
from server.schema.campaigns.queries import CampaignsQuery
from server.schema.channels.capabilities import CapabilitiesQuery
from server.schema.channels.mutations import ChannelsMutation
from server.schema.channels.queries import ChannelsQuery
from server.schema.comments.mutations import CommentsMutation
from server.schema.comments.queries import CommentsQuery
from server.schema.conflicts.mutations import ConflictsMutation
from server.schema.conflicts.queries import ConflictsQuery
from server.schema.consent.mutations import ConsentMutation
from server.schema.consent.queries import ConsentQuery
from server.schema.contacts.mutations import ContactsMutation
from server.schema.contacts.queries import ContactsQuery
from server.schema.context import ApiContext, Info
from server.schema.cost import Cost, sized_by
from server.schema.documents.mutations import DocumentsMutation
from server.schema.documents.queries import DocumentsQuery
from server.schema.documents.reading import Readings
from server.schema.guards import guard
from server.schema.inbox.mutations import InboxMutation
from server.schema.inbox.queries import InboxQuery
from server.schema.inbox.subscriptions import InboxSubscription
from server.schema.inbox.taking_back import TakingBackMutation
from server.schema.jobs.queries import JobsQuery
from server.schema.limits import Documents
from server.schema.masking import mask
from server.schema.metering import MeteredExecutor
from server.schema.nodes import Node, find
from server.schema.operations import FromDocuments
from server.schema.people.mutations import PeopleMutation
from server.schema.people.queries import PeopleQuery
from server.schema.permissions import query
from server.schema.plain import shorten
from server.schema.privacy.mutations import PrivacyMutation
from server.schema.privacy.queries import PrivacyQuery
from server.schema.rate_limit import RateLimitQuery
from server.schema.results import DetailedError, InputError
from server.schema.scalars import SCALARS
from server.schema.sends.mutations import SendsMutation
from server.schema.sends.queries import SendsQuery
from server.schema.templates.mutations import TemplatesMutation
from server.schema.templates.queries import TemplatesQuery
from server.schema.tenants.groups import GroupsMutation, GroupsQuery
from server.schema.tenants.mutations import TenantsMutation
from server.schema.tenants.operations import OperationsMutation, OperationsQuery
from server.schema.tenants.queries import TenantsQuery
from server.schema.tenants.setting_changes import SettingsMutation
from server.schema.tenants.units import UnitsMutation
from server.schema.viewer.queries import ViewerQuery

MAX_NODES = 100
MAX_PRICE: int = OperationSettings.model_fields["max_price"].default


@strawberry.type(description="Reading. Every field is cut by the caller's scope; what is outside of it does not exist.")
class Query(
    TenantsQuery,
    OperationsQuery,
    GroupsQuery,
    ViewerQuery,
    PeopleQuery,
    ConflictsQuery,
    AuthQuery,
    AppsQuery,
    CredentialsQuery,
    SignInQuery,
    FactorsQuery,
    AuditQuery,
    LegalQuery,
    TemplatesQuery,
    ApprovalsQuery,
    CampaignsQuery,
    ChannelsQuery,
    CapabilitiesQuery,
    ContactsQuery,
    ConsentQuery,
    InboxQuery,
    CommentsQuery,
    SendsQuery,
    JobsQuery,
    PrivacyQuery,
    RateLimitQuery,
    DocumentsQuery,
):
    """All root queries."""

    @query(None, "Any object by its id; null if there is none in reach.", costs=[Cost(weight=2, statements=10)])
    async def node(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="A global id.")]
    ) -> Node | None:
        """Find one node."""
        return await find(info.context, id)

    @query(
        None,
        "Several objects by id, in the order of the ids; null for each that is not in reach. At most 100.",
        costs=sized_by("ids", 100, statements=60),
    )
    async def nodes(
        self,
        info: Info,
        ids: Annotated[list[strawberry.ID], strawberry.argument(description="At most 100 global ids.")],
    ) -> list[Node | None]:
        """Find several nodes."""
        if len(ids) > MAX_NODES:
            raise InvalidInput(f"At most {MAX_NODES} ids at once.", path=("ids",))
        return list(await asyncio.gather(*(find(info.context, one) for one in ids)))


@strawberry.type(description="Changing. Each field is one transaction: all of it happened or nothing.")
class Mutation(
    TenantsMutation,
    UnitsMutation,
    OperationsMutation,
    GroupsMutation,
    SettingsMutation,
    PeopleMutation,
    ConflictsMutation,
    AuthMutation,
    AppsMutation,
    CredentialsMutation,
    SignInMutation,
    PasswordMutation,
    AuditMutation,
    FactorsMutation,
    VerifyMutation,
    TemplatesMutation,
    CampaignsMutation,
    ChannelsMutation,
    ContactsMutation,
    ConsentMutation,
    InboxMutation,
    CommentsMutation,
    TakingBackMutation,
    SendsMutation,
    PrivacyMutation,
    DocumentsMutation,
):
    """All root mutations."""


@strawberry.type(description="Live changes over WebSocket (graphql-transport-ws), each with a cursor to go on from.")
class Subscription(InboxSubscription):
    """All subscriptions."""


IDEMPOTENT = GraphQLDirective(
    name="idempotent",
    locations=[DirectiveLocation.FIELD],
    args={
        "key": GraphQLArgument(
            GraphQLNonNull(GraphQLString), description="1 to 255 printable characters, new for each intention."
        )
    },
    description="The mutation field happens once per key and caller, however often it is sent; kept for 7 days.",
)


class ApiSchema(strawberry.Schema):
    """The schema with its documents, and @idempotent, which is read from the document and needs no hook on every field."""

    def __init__(self, *, introspection: bool, is_sorted: bool, max_price: int) -> None:
        super().__init__(
            query=Query,
            mutation=Mutation,
            subscription=Subscription,
            types=[InputError, DetailedError],
            extensions=[FromDocuments],
            execution_context_class=MeteredExecutor,
            config=StrawberryConfig(
                sort_schema=is_sorted, scalar_map=SCALARS, disable_field_suggestions=not introspection
            ),
        )
        self.documents = Documents(self._schema, introspection=introspection)
        self.readings = Readings(self._schema, max_price)

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Give every error its code; mask and log what was not expected. Refusals are no news for the log."""
        context = execution_context.context if execution_context is not None else None
        for error in errors:
            mask(error, context.request_id if isinstance(context, ApiContext) else "")

    def _collect_graphql_directives(self, schema_directive_types: Iterable[type]) -> Any:
        return (*super()._collect_graphql_directives(schema_directive_types), IDEMPOTENT)


def build(*, introspection: bool, is_sorted: bool = False, max_price: int = MAX_PRICE) -> ApiSchema:
    """Build the schema; plain values are found the short way, and permissions checked between types.

    Sorted for printing only: sorting copies the enums, and the copies do not know their Python values.
    """
    made = declared(introspection=introspection, is_sorted=is_sorted, max_price=max_price)
    guard(shorten(made))
    return made


def declared(*, introspection: bool, is_sorted: bool = False, max_price: int = MAX_PRICE) -> ApiSchema:
    """Build the schema with the resolvers of Strawberry; `build` gives the same answers sooner."""
    return ApiSchema(introspection=introspection, is_sorted=is_sorted, max_price=max_price)
