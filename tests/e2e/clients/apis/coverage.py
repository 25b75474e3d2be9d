"""Which operations of the server's own description the requests of a client reached.

An operation is a path template with a method, as `GET /_openapi.json` lists them. A request reaches one when it is answered with success, or
when a `HEAD` is answered with "not there".
"""

from urllib.parse import urlsplit

from elastic_transport import Urllib3HttpNode


def is_variable(part):
    return part.startswith("{")


class Coverage:
    """Records what a client sends: every request goes through a node of `node_class`."""

    def __init__(self):
        self.requests = []
        self.raw = False

    def node_class(self):
        """The client's own node, which tells of each request that was answered."""
        coverage = self

        class Recorded(Urllib3HttpNode):
            def perform_request(self, method, target, *args, **kwargs):
                answer = super().perform_request(method, target, *args, **kwargs)
                coverage.requests.append((method, urlsplit(target).path, answer.meta.status, coverage.raw))
                return answer

        return Recorded

    def check(self, document, exceptions, without_method):
        """Fails with the supported operations that nothing reached and the paths that no method of the client reached, unless the tables have
        them, and with entries of the tables that do not hold. Returns what was reached, in words."""
        described = {
            (method.upper(), path): operation for path, methods in document["paths"].items() for method, operation in methods.items()
        }
        supported = {key for key, operation in described.items() if not is_refused(operation)}
        templates = [(path, path.split("/")) for path in document["paths"]]
        reached, by_method = set(), set()
        for method, path, status, raw in self.requests:
            operation = (method, template_of(templates, path))
            if operation in supported and (status < 400 or (method, status) == ("HEAD", 404)):
                reached.add(operation)
                if not raw:
                    by_method.add(operation)
        operations = {" ".join(operation) for operation in reached}
        paths = {path for _, path in by_method}
        problems = [
            *differing({" ".join(operation) for operation in supported}, operations, exceptions, "reached"),
            *differing({path for _, path in supported}, paths, without_method, "reached by a method of the client"),
        ]
        if problems:
            raise SystemExit("\n".join(problems))
        return (
            f"{len(reached)} of {len(supported)} supported operations reached, {len(by_method)} of them by methods of the client; "
            f"{len(described) - len(supported)} more are refused"
        )


def differing(wanted, found, table, what):
    """What is wanted, not found, and not in the table; and what is in the table for no reason."""
    return [
        *(f"not {what}: {one}" for one in sorted(wanted - found - set(table))),
        *(f"{what}, though a table says it cannot be: {one}" for one in sorted(found & set(table))),
        *(f"in a table, though not supported: {one}" for one in sorted(set(table) - wanted)),
    ]


def is_refused(operation):
    """What the description says of operations that are there only to say what to do instead."""
    return operation.get("description", "").startswith("refused")


def template_of(templates, path):
    """The template that a path is an instance of: of several, the one whose literal parts come first."""
    parts = path.split("/")
    fitting = [
        ([is_variable(part) for part in of], template)
        for template, of in templates
        if len(of) == len(parts) and all(is_variable(part) or part == given for part, given in zip(of, parts))
    ]
    return min(fitting)[1] if fitting else None
