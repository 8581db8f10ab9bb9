"""The bench: this server against Node, stock Flask-SocketIO, nginx and the limit; docs/performance.md."""
