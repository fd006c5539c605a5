"""Which of the models that a run asks for are served by one server.

A server's start costs more than the loading of a small model, and a run may ask for dozens of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pytest_tfserving.serve_request import ModelRequest, ServeRequest


def share(requests: Iterable[ServeRequest]) -> dict[ServeRequest, ServeRequest]:
    """For each request the one to be made in its place: for its own models, and for those of others.

    Servers have the tags and flags that were asked for, and a name is one model on each of them: another version, path
    or set of labels under the same name is on another server. Isolated requests are made as they are. The order of the
    requests decides nothing: a run that begins with what failed last (--ff) finds the servers that stayed.
    """
    servers: list[tuple[dict[str, ModelRequest], list[ServeRequest]]] = []
    alone = []
    for request in sorted(set(requests), key=repr):
        if request.isolated:
            alone.append(request)
            continue
        named = {model.servable.name: model for model in request.models}
        for models, users in servers:
            same_flags = (users[0].tags, users[0].server_args) == (request.tags, request.server_args)
            if same_flags and all(models.get(name, model) == model for name, model in named.items()):
                models.update(named)
                users.append(request)
                break
        else:
            servers.append((named, [request]))
    shared = {
        user: replace(user, models=tuple(models[name] for name in sorted(models)))
        for models, users in servers
        for user in users
    }
    return {**shared, **{request: request for request in alone}}
