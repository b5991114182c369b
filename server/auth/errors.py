"""What can be refused about people, their roles, how they come in and how they sign in."""

from __future__ import annotations

from collections.abc import Sequence

from server.kit.errors import DomainError


class InvitationInvalid(DomainError):
    """The link is unknown, was used, was revoked or is over: a stranger is not told which."""

    code = "invitation.invalid"

    def __init__(self) -> None:
        super().__init__("This invitation cannot be used any more. Ask the person who invited you for a new one.")


class InvitationForAnother(DomainError):
    """The invitation is for another e-mail address than the one that was proved."""

    code = "invitation.other_address"

    def __init__(self) -> None:
        super().__init__("This invitation is for another e-mail address. Sign in with the address that it was sent to.")


class InvitationNotGrantable(DomainError):
    """Who invited may no longer give this role on this unit, or the role is archived."""

    code = "invitation.not_grantable"

    def __init__(self) -> None:
        super().__init__("The role of this invitation can no longer be given. Ask for a new invitation.")


class InvitationNotOpen(DomainError):
    """The invitation was accepted, revoked or is over."""

    code = "invitation.not_open"

    def __init__(self) -> None:
        super().__init__("This invitation is not open any more. Make a new one.", path=("invitationId",))


class TooManyInvitations(DomainError):
    """More invitations or mails than one person may send in an hour, or one invitation may have."""

    code = "invitation.too_many"

    def __init__(self, what: str) -> None:
        super().__init__(what)


class AddressTaken(DomainError):
    """A member of the organization has this address under another account."""

    code = "invitation.address_taken"

    def __init__(self) -> None:
        super().__init__("Somebody of this organization has this address. Ask its administrator to settle it.")


class MemberDeactivated(DomainError):
    """The person was deactivated; roles come back only when an administrator of the headquarters reactivates them."""

    code = "member.deactivated"

    def __init__(self, *, path: Sequence[str] = ()) -> None:
        super().__init__(
            "This person is deactivated. Let an administrator of the headquarters reactivate them.", path=path
        )


class LastOwner(DomainError):
    """The organization would be left without an active OWNER of its root."""

    code = "member.last_owner"

    def __init__(self, *, path: Sequence[str] = ()) -> None:
        super().__init__("This is the last OWNER of the organization. Make somebody else an OWNER first.", path=path)


class PersonNeeded(DomainError):
    """Only a person may do this, because it is remembered as that person's word; an app is not enough."""

    code = "member.person_needed"

    def __init__(self) -> None:
        super().__init__("Only a person may do this. Use a token of a member, not of an app.")


class TooManyGrants(DomainError):
    """One member has no more room for roles."""

    code = "member.too_many_grants"

    def __init__(self, most: int) -> None:
        super().__init__(f"A member has at most {most} roles. Grant one on a unit above instead.", path=("memberId",))


class RoleArchived(DomainError):
    """The role is archived: it gives nothing and cannot be granted."""

    code = "role.archived"

    def __init__(self, *, path: Sequence[str] = ()) -> None:
        super().__init__("This role is archived. Choose another one.", path=path)


class SharedStaff(DomainError):
    """People or apps work for both units. `data` names those that the caller may see."""

    code = "conflict.shared_staff"

    def __init__(self, member_ids: Sequence[str], app_ids: Sequence[str]) -> None:
        super().__init__(
            "These people or apps reach both units. Take one side's roles from each, or let two people except them first.",
            data={"memberIds": list(member_ids), "tokenIds": list(app_ids)},
        )


class ExceptionNotOpen(DomainError):
    """The request was withdrawn or is granted already."""

    code = "conflict.exception_not_open"

    def __init__(self) -> None:
        super().__init__("This request is not open any more. Load it again.", path=("exceptionId",))


class ExceptionOfOneself(DomainError):
    """Nobody agrees to an exception for themselves, or twice to the same one."""

    code = "conflict.exception_self"

    def __init__(self, what: str) -> None:
        super().__init__(what, path=("exceptionId",))


class SessionEnded(DomainError):
    """The sign-in behind the request was ended or has expired."""

    code = "session.ended"

    def __init__(self) -> None:
        super().__init__("This sign-in has ended. Sign in again.")


class SessionNeeded(DomainError):
    """Only a person who signed in may do this; the token was made for a program."""

    code = "session.needed"

    def __init__(self) -> None:
        super().__init__("This needs a sign-in. Personal and app tokens cannot do it: sign in and use that token.")


class SignInRefused(DomainError):
    """The address and the password do not fit; it is not told which of them."""

    code = "sign_in.refused"

    def __init__(self) -> None:
        super().__init__("The e-mail address or the password is wrong.")


class TooManyAttempts(DomainError):
    """Too many attempts from this network or for this address. `data.retryAfter` is in seconds."""

    code = "sign_in.too_many_attempts"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(
            f"Too many attempts. Try again in {retry_after_s} seconds, or choose a new password by e-mail.",
            data={"retryAfter": retry_after_s},
        )
        self.retry_after_s = retry_after_s


class PasswordUnfit(DomainError):
    """The password is too short, too long, well known, or made of the person's own name or address."""

    code = "password.unfit"

    def __init__(self, message: str, *, path: Sequence[str] = ("password",)) -> None:
        super().__init__(message, path=path)


class PasswordWrong(DomainError):
    """The present password does not fit."""

    code = "password.wrong"

    def __init__(self) -> None:
        super().__init__("The present password is wrong.", path=("currentPassword",))


class TicketInvalid(DomainError):
    """The link or the ticket was used before, has expired, or never was one."""

    code = "sign_in.ticket_invalid"

    def __init__(self, *, path: Sequence[str] = ("token",)) -> None:
        super().__init__("This link was used before, or it has expired. Ask for a new one.", path=path)


class AppMayNot(DomainError):
    """An app that acts for a person makes no tokens and registers no apps: they would outlive the person's consent."""

    code = "auth.app_may_not"

    def __init__(self) -> None:
        super().__init__("An app that acts for you cannot do this. Sign in and do it yourself.")


class AppKeepsNoSecret(DomainError):
    """A PUBLIC app has no secret."""

    code = "app.keeps_no_secret"

    def __init__(self) -> None:
        super().__init__("A PUBLIC app has no secret: it proves itself with PKCE.", path=("appId",))


class AppArchived(DomainError):
    """The app is archived; it gets no tokens and never comes back."""

    code = "app.archived"

    def __init__(self) -> None:
        super().__init__("This app is archived. Register a new one.", path=("appId",))


class CodeWrong(DomainError):
    """The code does not fit, is too old, or was used before."""

    code = "sign_in.code_wrong"

    def __init__(self, *, path: Sequence[str] = ("code",)) -> None:
        super().__init__("This code is wrong, too old, or was used before. Wait for the next one.", path=path)


class ProofNeeded(DomainError):
    """The sign-in is too long ago for a change of how somebody signs in."""

    code = "session.proof_needed"

    def __init__(self) -> None:
        super().__init__(
            "This sign-in is older than ten minutes. Give the present password, or sign in again.",
            path=("currentPassword",),
        )


class TotpAlreadyOn(DomainError):
    """An authenticator app is set up already."""

    code = "totp.already_on"

    def __init__(self) -> None:
        super().__init__("An authenticator app is set up already. Remove it first to use another one.")


class TotpNotSetUp(DomainError):
    """No authenticator app is set up, or its enrolment was not begun or is too long ago."""

    code = "totp.not_set_up"

    def __init__(self) -> None:
        super().__init__("No authenticator app is set up, or its setup has expired. Begin the setup again.")


class PasskeyRefused(DomainError):
    """The passkey's answer does not fit this host, this browser, this challenge or the key that we know."""

    code = "passkey.refused"

    def __init__(self) -> None:
        super().__init__("This passkey was not accepted. Start again, or sign in another way.")


class TooManyPasskeys(DomainError):
    """The person has as many passkeys as one may have."""

    code = "passkey.too_many"

    def __init__(self, limit: int) -> None:
        super().__init__(f"You have {limit} passkeys, which is the limit. Delete one first.", data={"limit": limit})


class ProviderRefused(DomainError):
    """The OpenID provider did not vouch for the person, or its answer is not what was asked for."""

    code = "sign_in.provider_refused"

    def __init__(self) -> None:
        super().__init__("The provider did not confirm who you are. Sign in again, or in another way.")


class EmailNotVouched(DomainError):
    """The provider does not say that the e-mail address belongs to the person."""

    code = "sign_in.email_not_verified"

    def __init__(self) -> None:
        super().__init__("The provider does not confirm your e-mail address. Confirm it there first.")


class CredentialHasDependents(DomainError):
    """Tokens or apps would go on without anybody who answers for them, or stop unseen. `data` names those in reach."""

    code = "credential.has_dependents"

    def __init__(self, ids: Sequence[str], names: Sequence[str], count: int) -> None:
        super().__init__(
            f"{count} tokens or apps hang on this. Say credentials: END to end them too, or credentials: HAND_OVER with "
            "handOverToId to name who answers for them.",
            path=("credentials",),
            data={"credentialIds": list(ids), "names": list(names), "count": count},
        )


class ReceiverMayLess(DomainError):
    """Who shall answer for a credential may not do everything that it may. `data` names the credentials."""

    code = "credential.receiver_may_less"

    def __init__(self, ids: Sequence[str], *, path: Sequence[str]) -> None:
        super().__init__(
            "This person may less than what is handed over. Choose somebody who holds its permissions on its units.",
            path=path,
            data={"credentialIds": list(ids)},
        )


class CredentialNotTransferable(DomainError):
    """A personal token or a grant acts as its person and cannot become anybody else's."""

    code = "credential.not_transferable"

    def __init__(self, ids: Sequence[str]) -> None:
        super().__init__(
            "Personal tokens and grants act as their person: end them. Only service tokens and apps are handed over.",
            data={"credentialIds": list(ids)},
        )
