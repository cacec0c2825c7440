"""Sign-in with the passwords of an LDAP directory.

`settings` reads the environment, `client` asks the directory, `accounts` makes accounts at a sign-in, `absence` closes
those of people who are gone, `backend` is what Django asks at a sign-in. A person is identified by an attribute that
the directory never gives to anybody else (entryUUID), never by a username or an address: those can be somebody else's
here already.

python-ldap is installed where LDAP_URL is set; `client`, and `absence` and `backend` with it, alone import it.
"""
