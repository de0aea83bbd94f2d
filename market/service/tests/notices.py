"""Who is told of alarms: `notices.py hook PORT CERTIFICATE KEY` is httpbin over TLS, `notices.py mail PORT CERTIFICATE KEY`
and `notices.py mails PORT CERTIFICATE KEY` are aiosmtpd with STARTTLS and with TLS from the first byte, for who knows
the password. The first line that is printed is the port; each line after it is what was received, as JSON."""

import json
import ssl
import sys

kind, port, certificate, key = sys.argv[1:]
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(certificate, key)


def say(received):
    print(json.dumps(received), flush=True)


if kind == "hook":
    from flask import request
    from httpbin import app
    from werkzeug.serving import make_server

    @app.before_request
    def received():
        body = request.get_data(as_text=True)
        say({
            "path": request.path,
            "authorization": request.headers.get("Authorization"),
            "type": request.headers.get("Content-Type"),
            "body": json.loads(body) if body else None,
        })

    server = make_server("127.0.0.1", int(port), app, threaded=True, ssl_context=context)
    print(server.port, flush=True)
    server.serve_forever()
else:
    import asyncio
    import email
    import email.policy

    from aiosmtpd.smtp import SMTP, AuthResult

    class Keeper:
        async def handle_DATA(self, server, session, envelope):
            letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
            say({
                "from": envelope.mail_from,
                "to": envelope.rcpt_tos,
                "tls": session.ssl is not None or kind == "mails",
                "subject": letter["Subject"],
                "id": letter["Message-ID"],
                "text": letter.get_content(),
            })
            return "250 taken"

    def authenticator(server, session, envelope, mechanism, login):
        return AuthResult(success=(login.login, login.password) == (b"voisin", b"s3cret pass"), handled=False)

    async def serve():
        def smtp():
            starttls = kind == "mail"
            return SMTP(
                Keeper(), hostname="localhost", authenticator=authenticator, auth_required=True,
                tls_context=context if starttls else None, require_starttls=starttls, auth_require_tls=starttls,
            )

        tls = None if kind == "mail" else context
        server = await asyncio.get_running_loop().create_server(smtp, "127.0.0.1", int(port), ssl=tls)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    asyncio.run(serve())
