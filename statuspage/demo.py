"""The demo: the organization, tenant and user of the examples, with something to look at."""

from datetime import timedelta
from textwrap import dedent

from flask import Flask
from sqlalchemy import make_url

from .clock import now
from .database import db, transaction
from .models.embedding import ANY, allow_embedding
from .models.incident import Incident
from .models.membership import Membership
from .models.organization import Organization, Tenant
from .models.role import Role
from .models.secret import digest
from .models.service import Service, ServiceGroup
from .models.status import IncidentStatus, ServiceStatus
from .models.token import ApiToken
from .models.user import User, hash_password

EMAIL = "robin@example.org"


def fill(secret: str, password: str) -> None:
    """Make the demo data, once; `secret` is its API token, `password` lets EMAIL sign in."""
    if db.session.get(Organization, "org-456"):
        _keep_token(secret)
        _keep_password(password)
        return
    hash = hash_password(password)
    with transaction(by="user-123"):
        user = User.create(id="user-123", name="Robin Demo", email=EMAIL)
        user.set_password(hash)
        acme = Organization.create(id="org-456", slug="acme", name="Acme")
        globex = Organization.create(id="org-654", slug="globex", name="Globex")
        tenant = Tenant.create(acme, id="tenant-789", slug="north", name="Acme North")
        Membership.grant(user, Role.ADMIN, acme)
        ApiToken.create(user, Role.ADMIN, acme, name="Demo", secret=secret)
        allow_embedding(acme, [ANY])  # the page is public, and the demo on this machine only
        _acme(acme, tenant, user)
        Service.create(globex, None, name="Website", description="What customers see")


def _keep_token(secret: str) -> None:
    """demo.json is made anew when it was deleted: its token must work again."""
    if db.session.query(ApiToken.id).filter_by(hash=digest(secret)).first():
        return
    organization = db.session.get(Organization, "org-456")
    user = db.session.get(User, "user-123")
    if organization and user:
        with transaction(organization):
            ApiToken.create(user, Role.ADMIN, organization, name="Demo", secret=secret)


def _keep_password(password: str) -> None:
    user = db.session.get(User, "user-123")
    if user and not user.has_password(password):
        hash = hash_password(password)
        with transaction():
            user.email = EMAIL
            user.set_password(hash)


def _acme(acme: Organization, tenant: Tenant, user: User) -> None:
    core = ServiceGroup.create(acme, None, name="Core")
    data = ServiceGroup.create(acme, None, name="Data")
    api = Service.create(
        acme, None, name="API", description="REST and live connections", group=core, id="service-1"
    )
    Service.create(acme, None, name="Dashboard", description="The web application", group=core)
    Service.create(acme, None, name="Sign-in", group=core)
    Service.create(acme, None, name="Database", description="Primary and replicas", group=data)
    Service.create(acme, None, name="Backups", group=data)
    Service.create(acme, tenant, name="North gateway", description="Only for Acme North")
    three_days_ago = now() - timedelta(days=3)
    past = Incident.open(
        acme,
        None,
        title="Slow sign-in",
        message="Signing in takes up to ten seconds. We are looking into it.",
        started_at=three_days_ago,
        by=user.id,
    )
    past.resolve(
        message="A slow database query was mended.", by=user.id, at=three_days_ago + timedelta(minutes=34)
    )
    incident = Incident.open(
        acme,
        None,
        title="Elevated error rates on the API",
        message="Some requests fail with 502.",
        services={api.id: ServiceStatus.DEGRADED},
        by=user.id,
    )
    incident.post_update(
        status=IncidentStatus.IDENTIFIED,
        message="We found a faulty load balancer and are replacing it.",
        by=user.id,
    )


def welcome(app: Flask, port: int) -> str:
    """What bin/run prints: where to look, a token, and the examples ready to paste."""
    token, base = app.config["DEMO_SECRETS"]["token"], f"http://localhost:{port}"
    data = make_url(app.config["DATABASE_URL"]).render_as_string(hide_password=True)
    return dedent(f"""
        The demo is running (data: {data}).

          Page      {base}/acme        and its tenant's: {base}/acme/north
          Sign in   {base}/sign-in     as {EMAIL}, password {app.config["DEMO_SECRETS"]["password"]}
          Token     {token}
                    (user-123, admin of org-456; kept in {app.config["INSTANCE_PATH"]}/demo.json)

        Open the page, then change something and watch it move:

        # Create a service
        curl -X POST {base}/api/services \\
          -H "Authorization: Bearer {token}" \\
          -H "Content-Type: application/json" \\
          -d '{{"name": "Test Service", "description": "Test", "organizationId": "org-456"}}'

        # Update a service's status
        curl -X PUT {base}/api/services/service-1 \\
          -H "Authorization: Bearer {token}" \\
          -H "Content-Type: application/json" \\
          -d '{{"status": "major_outage"}}'

        // Listen from JavaScript: save this as listen.mjs in this folder, and run node listen.mjs
        import {{ io }} from 'socket.io-client';
        const socket = io('{base}', {{ auth: {{ token: '{token}' }} }});
        socket.on('connect', () => {{
          socket.emit('authenticate', {{
            userId: 'user-123', organizationId: 'org-456', tenantId: 'tenant-789', userRole: 'admin'
          }});
        }});
        socket.on('service-update', (data) => console.log('Service updated:', data.data));
        socket.on('incident-update', (data) => console.log('Incident updated:', data.data));
        """)
