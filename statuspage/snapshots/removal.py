"""Removal: a page that is public no more has no files when that is acknowledged."""

from typing import Any

from flask import Flask, current_app

from ..database import if_undone
from ..models import snapshot
from ..models.errors import Conflict
from ..models.hiding import hiding
from .files import is_of_incident
from .reconcile import reconcile_in_any_case
from .store import Store, Unreachable


class Removal:
    """Hears what will be hidden, before that is committed."""

    def __init__(self, app: Flask, store: Store | None) -> None:
        self._app, self._store = app, store

    def listen(self) -> None:
        hiding.connect(self.hide)

    def hide(self, sender: Any, organization_id: str, tenant_id: str | None, incident_id: str | None) -> None:
        """Remove the files of an organization's pages, of one tenant's, or of an incident on them; Conflict
        if that fails.

        Runs in the transaction that hides them, and holds the writer off until that ends.
        """
        if current_app._get_current_object() is not self._app:  # type: ignore[attr-defined]
            return
        if incident_id:
            names = snapshot.take_out(
                organization_id, tenant_id, lambda name: is_of_incident(name, incident_id)
            )
        else:
            names = snapshot.take_away(organization_id, tenant_id)
        if not names:
            return
        if self._store is None:
            raise Conflict(
                "This page has snapshots, and the setting SNAPSHOTS, which says where, is empty here. "
                "Nothing was changed. Set it; or, if they are gone, run: flask snapshot forget"
            )
        if_undone(self._put_back, names)
        try:
            self._store.remove(names)
        except Unreachable as error:
            raise Conflict(
                f"The snapshots of this page could not be removed ({error}). "
                "Nothing was changed; please try again."
            ) from error

    def _put_back(self, names: set[str]) -> None:
        """What hid them was not committed, as far as anybody knows."""
        assert self._store is not None
        reconcile_in_any_case(self._app, self._store, names)

    def remove_all(self) -> None:
        """Every file, and what is known of them. Call it in a transaction()."""
        snapshot.take_all_away()
        if self._store:
            self._store.remove(self._store.names())
