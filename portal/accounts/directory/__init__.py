"""Sign-in with the passwords of an LDAP directory.

`settings` reads the environment, `client` asks the directory, `accounts` makes and follows accounts, `backend` is what
Django asks at a sign-in. A person is identified by an attribute that the directory never gives to anybody else
(entryUUID), never by a username or an address: those can be somebody else's here already.

python-ldap is installed where LDAP_URL is set; `client` and `backend` alone import it.
"""
