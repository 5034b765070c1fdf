"""Cognito user pools of the embedded cloud: people who sign in by a code that is mailed to them.

Moto keeps pools, clients, groups and people; what is accepted, who is who, signing in and tokens
are ours. Nobody here has a password, nobody registers alone, and no mail leaves the machine: what
would have been mailed is kept (`mail`, and GET /_academy/mail).

    pools.py      pools and their clients: what is emulated of them
    people.py     users, their e-mail addresses as aliases, groups
    sign_in.py    InitiateAuth and RespondToAuthChallenge
    providers.py  providers that a pool believes, and the domain under which it answers
    hosted.py     that domain's endpoints: a browser goes to a provider, and comes back with a code
    oidc.py       the provider, as a pool speaks to it
    tokens.py     what a signed-in person holds, and how it ends
    listing.py    pages
    shared.py     what the others share
"""

from infra.offline.fidelity import Part
from infra.offline.services.cognito_idp import (
    hosted,
    listing,
    people,
    pools,
    providers,
    sign_in,
    tokens,
)
from infra.offline.services.cognito_idp.sign_in import mail

FIDELITY = Part(
    title="Cognito user pools",
    emulated=(
        "moto's pools, clients, users and groups; sign-in by USER_AUTH with a code of eight digits "
        "by e-mail (`sign_in.py`), mail is kept and shown at `/_academy/mail`; sessions and tokens "
        "end by the cloud's clock and at once when a person signs out, is signed out, disabled or "
        "removed; unknown names are answered as known ones; unsigned calls need no signature, all "
        "others ask IAM; providers of OpenID Connect, whose signatures, issuers and nonces are "
        "checked (`oidc.py`), make users by what they say; a domain's authorize, token and "
        "userInfo (`hosted.py`, at `/_academy/auth/PREFIX/oauth2/`) go by codes that are good "
        "once, with PKCE"
    ),
    checked=(
        "by client: AWS CLI, boto3; answers to right, wrong, late and repeated codes, to unknown "
        "names and to people with no password as somebody saw them on a real pool (2026-09)"
    ),
    differences=(
        "no passwords, passkeys, MFA, refreshing of tokens, registration by oneself, triggers, "
        "hosted pages or other providers than OpenID Connect's: refused by name; that a sender is "
        "verified with SES, limits of mail a day and of requests, and the look of AWS's mail are "
        "not modelled; wrong codes are not counted (six in a row were not on AWS); only AWS can "
        "tell how often it answers an unknown name with another challenge: here a hash of the name "
        "decides. A provider is asked who it is at each sign-in, not when it is made; only AWS can "
        "tell in which words it refuses an ID token, whether userInfo refuses a token as soon as "
        "it is revoked (here it does), and whether email_verified is mapped for a client that does "
        "not list it as writable, which none may (here it is)"
    ),
)

__all__ = ["hosted", "listing", "mail", "people", "pools", "providers", "sign_in", "tokens"]
