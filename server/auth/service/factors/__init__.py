"""What a person has besides a password, as `from server.auth.service import factors`; one module per kind."""

from __future__ import annotations

from server.auth.service.factors.owed import Factors, factors_of, second_factor_of
from server.auth.service.factors.passkeys import (
    Answer,
    Holder,
    delete_passkey,
    list_passkeys,
    register_passkey,
    registration_options,
    rename_passkey,
    show_passkey,
    sign_in_options,
)
from server.auth.service.factors.proof import FactorProof, Person
from server.auth.service.factors.recovery import regenerate_codes
from server.auth.service.factors.totp import Enrolment, confirm_totp, disable_totp, enroll_totp

__all__ = [
    "Answer",
    "Enrolment",
    "FactorProof",
    "Factors",
    "Holder",
    "Person",
    "confirm_totp",
    "delete_passkey",
    "disable_totp",
    "enroll_totp",
    "factors_of",
    "list_passkeys",
    "regenerate_codes",
    "register_passkey",
    "registration_options",
    "rename_passkey",
    "second_factor_of",
    "show_passkey",
    "sign_in_options",
]
