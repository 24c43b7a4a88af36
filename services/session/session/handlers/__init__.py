"""What the session service does on a command: one module an aggregate."""

from eventing.handling import Handlers

from session.handlers import session, template

handles = Handlers.together(session.handles, template.handles)
