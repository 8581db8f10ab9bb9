"""The admin's lists of tenants, members and tokens, as boards.

Their titles hold nothing that no part shows: a change of the title alone would not be sent.
"""

from ...models.scope import Scope
from ..board import Drawing
from ..parts import list_part, part
from ..state import State
from .desk import base, tenant_name


def tenants(state: State, scope: Scope) -> Drawing:
    """Each with its page, who may see it, and what is on it."""
    return Drawing(
        title="Tenants · admin",
        headline=_count(len(state.tenants), "tenant"),
        parts=(
            list_part(
                "tenants",
                "admin/tenants/_tenants.html",
                [
                    part(
                        f"tenant-{tenant.id}",
                        "admin/tenants/_tenant.html",
                        tenant_id=tenant.id,
                        name=tenant.name,
                        path=f"/{state.slug}/{tenant.slug}",
                        public=tenant.public,
                        services=sum(service.tenant_id == tenant.id for service in state.services),
                        incidents=sum(
                            incident.tenant_id == tenant.id for incident in state.open_incidents(scope)
                        ),
                        base=base(state),
                    )
                    for tenant in state.tenants.values()
                ],
                base=base(state),
            ),
        ),
    )


def members(state: State, scope: Scope) -> Drawing:
    """Everybody with a role, in the organization or in one tenant."""
    found = state.team.members if state.team else ()
    return Drawing(
        title="Members · admin",
        headline=_count(len({member.user_id for member in found}), "member"),
        parts=(
            list_part(
                "members",
                "admin/members/_members.html",
                [
                    part(
                        f"member-{member.id}",
                        "admin/members/_member.html",
                        member=member,
                        place=tenant_name(state, member.tenant_id),
                        base=base(state),
                    )
                    for member in found
                ],
            ),
        ),
    )


def tokens(state: State, scope: Scope) -> Drawing:
    """Every token of the organization that nobody revoked."""
    found = state.team.tokens if state.team else ()
    return Drawing(
        title="API tokens · admin",
        headline=_count(len(found), "token"),
        parts=(
            list_part(
                "tokens",
                "admin/tokens/_tokens.html",
                [
                    part(
                        f"token-{token.id}",
                        "admin/tokens/_token.html",
                        token=token,
                        place=tenant_name(state, token.tenant_id),
                        base=base(state),
                    )
                    for token in found
                ],
            ),
        ),
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


SCREENS = {"tenants": tenants, "members": members, "tokens": tokens}
