"""Sign-in: the users, their sessions, and the ASGI layer that requires them.

api_token.py      tokens of scripts: scope, end, digest
authenticator.py  name and password -> token, token -> `Reviewer`
command.py        `python -m review_ui users`
cookie.py         the cookie that holds the token
form.py           the sign-in form and its routes
middleware.py     the ASGI layer that keeps out requests without a sign-in
password.py       scrypt hashes of passwords, as text
rate_limit.py     slows down repeated failures to sign in
sessions.py       the table of sign-ins, in the decision log's database
user_changes.py   changes of the users file, for the activity log
users.py          the users file (TOML)
"""
