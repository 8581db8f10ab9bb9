"""Role, and the table role × verb: who may do what."""

from enum import StrEnum
from functools import cached_property


class Role(StrEnum):
    """In order of power; each may do what the ones before it may."""

    VISITOR = "visitor"
    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"
    OWNER = "owner"
    OPERATOR = "operator"

    @cached_property
    def rank(self) -> int:
        return list(Role).index(self)


MEMBER_ROLES = (Role.VIEWER, Role.EDITOR, Role.ADMIN, Role.OWNER)

# The table role × verb: what the least powerful role that may do it is. A verb that is not here is
# nobody's. A private page has no visitors, so `page.read` there begins with the viewer.
LEAST_ROLE = {
    # verb                        visitor  viewer  editor  admin  owner  operator
    "page.read": Role.VISITOR,  #    x        x       x      x      x       x
    "connection.count": Role.VISITOR,  # x    x       x      x      x       x
    "scope.all": Role.VIEWER,  #              x       x      x      x       x
    "admin.read": Role.VIEWER,  #             x       x      x      x       x
    "token.create": Role.VIEWER,  #           x       x      x      x       x
    "consumer.use": Role.VIEWER,  #           x       x      x      x       x
    "service.create": Role.EDITOR,  #                 x      x      x       x
    "service.update": Role.EDITOR,  #                 x      x      x       x
    "service.delete": Role.EDITOR,  #                 x      x      x       x
    "group.create": Role.EDITOR,  #                   x      x      x       x
    "group.update": Role.EDITOR,  #                   x      x      x       x
    "group.delete": Role.EDITOR,  #                   x      x      x       x
    "incident.create": Role.EDITOR,  #                x      x      x       x
    "incident.update": Role.EDITOR,  #                x      x      x       x
    "incident.delete": Role.EDITOR,  #                x      x      x       x
    "organization.update": Role.ADMIN,  #                    x      x       x
    "tenant.create": Role.ADMIN,  #                          x      x       x
    "tenant.update": Role.ADMIN,  #                          x      x       x
    "tenant.delete": Role.ADMIN,  #                          x      x       x
    "member.list": Role.ADMIN,  #                            x      x       x
    "member.grant": Role.ADMIN,  #                           x      x       x
    "member.remove": Role.ADMIN,  #                          x      x       x
    "token.list": Role.ADMIN,  #                             x      x       x
    "token.revoke": Role.ADMIN,  #                           x      x       x
    "broadcast.send": Role.ADMIN,  #                         x      x       x
    "connection.list": Role.ADMIN,  #                        x      x       x
    "consumer.list": Role.ADMIN,  #                          x      x       x
    "consumer.delete": Role.ADMIN,  #                        x      x       x
    "analytics.read": Role.ADMIN,  #                         x      x       x
    "organization.delete": Role.OWNER,  #                           x       x
    "broadcast.everywhere": Role.OPERATOR,  #                               x
    "connection.everywhere": Role.OPERATOR,  #                              x
}


def may(role: Role | None, verb: str) -> bool:
    return role is not None and verb in LEAST_ROLE and role.rank >= LEAST_ROLE[verb].rank
