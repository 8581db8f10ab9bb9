"""What the transport depends on in other libraries, by name."""

import socket

import engineio
import flask_socketio
import gevent.socket
import socketio
from gevent import pywsgi

PRIVATE = [
    (
        socketio.Server(),
        "_engineio_server_class _handle_eio_connect _handle_eio_message _handle_eio_disconnect "
        "_handle_connect _handle_disconnect _handle_event _handle_ack _trigger_event _send_packet "
        "_binary_packet environ handlers namespace_handlers namespaces manager eio packet_class",
    ),
    (
        socketio.Manager(),
        "connect disconnect pre_connect is_pre_connected is_connected is_sid_room enter_room leave_room "
        "get_namespaces get_participants get_rooms sid_from_eio_sid eio_sid_from_sid basic_disconnect "
        "basic_leave_room rooms callbacks pending_connect pending_disconnect server",
    ),
    (
        engineio.Server(),
        "handlers sockets transports reason generate_id send_packet create_queue create_event "
        "get_queue_empty_exception start_background_task sleep shutdown handle_request",
    ),
    (engineio.packet.Packet(), "data binary encode packet_type"),
    (socketio.packet.Packet(), "decode encode json packet_type namespace id data"),
    (flask_socketio.SocketIO(), "init_app server manage_session wsgi_server"),
    (
        pywsgi.WSGIHandler,
        "_handle_client_error _log_error handle_error handle_one_request get_environ process_result "
        "finalize_headers start_response write headers_sent close_connection ignored_socket_errors",
    ),
    (pywsgi.Input, "_chunked_read"),
    (pywsgi, "_InvalidClientInput"),
    (
        pywsgi.WSGIServer,
        "init_socket close closed stop stop_timeout serve_forever do_read do_close do_handle started",
    ),
    (gevent.socket.socket, "_accept"),
]


def test_every_inner_name_that_the_transport_depends_on_still_exists():
    gone = [
        f"{owner!r}.{name}" for owner, names in PRIVATE for name in names.split() if not hasattr(owner, name)
    ]
    assert gone == [], "statuspage/live/transport depends on names that an upgrade took away"
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("rb") as reader:
        assert reader.raw._sock is ours
