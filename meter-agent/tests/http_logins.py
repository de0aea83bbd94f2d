"""Pages that ask who one is, by httpbin. The first line that it prints is its port."""

from httpbin import app
from werkzeug.serving import make_server

server = make_server("127.0.0.1", 0, app)
print(server.port, flush=True)
server.serve_forever()
