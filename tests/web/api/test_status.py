"""GET /api/status: a scope at a glance, as of what is committed."""

ACME = "/status?organizationId=org-456"


def test_the_status_follows_every_commit(api, cast):
    before = api.get(ACME).json
    assert (before["status"], before["openIncidents"]) == ("operational", 0)
    assert (before["slug"], before["name"], before["tenantId"]) == ("acme", "Acme", None)
    assert before["services"]["operational"] == 1
    api.patch(f"/services/{cast.acme_service.id}", {"status": "partial_outage"}, by="acme-editor")
    after = api.get(ACME).json
    assert (after["status"], after["services"]["partial_outage"]) == ("partial_outage", 1)
    assert after["cursor"] > before["cursor"]
    assert after["description"] == "Partial outage: 1 service affected"


def test_a_scope_counts_what_it_shows(api, cast):
    api.patch(f"/services/{cast.south_service.id}", {"status": "degraded"}, by="acme-editor")
    south = f"{ACME}&tenantId={cast.south.id}"
    assert api.get(ACME).json["status"] == "operational"
    assert api.get(f"{ACME}&tenantId=tenant-789").json["services"]["operational"] == 2
    assert api.get(south).status_code == 404
    told = api.get(south, by="south-editor").json
    assert (told["status"], told["tenantId"]) == ("degraded", cast.south.id)
    everything = api.get(f"{ACME}&scope=all", by="acme-viewer").json
    assert (sum(everything["services"].values()), everything["status"]) == (3, "degraded")


def test_what_is_out_of_reach_is_not_found(api, cast):
    for path, by in (
        (f"{ACME}&scope=all", None),
        (f"/status?organizationId={cast.globex.id}", "acme-owner"),
        (f"{ACME}&tenantId={cast.east.id}", "globex-owner"),
        ("/status?organizationId=nothing", "operator"),
    ):
        assert api.get(path, by=by).status_code == 404
