"""Holds what the wire tests were answered against server/pages/openapi.json:

    openapi_test.py FOLDER

FOLDER has the exchanges that tests/support/exchange_record.h describes. Prints TAP: one test for
each operation, which must have been asked at least once, and one for what is beside the paths.
An answer's status and content type must be listed, its body must be as its schema says, and so must
the body of a request that was answered 200."""

import gzip
import json
import os
import re
import sys
import zlib

import jsonschema

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = "application/octet-stream"


class Exchange:
    def __init__(self, file):
        line = file.readline()
        if not line:
            raise EOFError
        words = line.decode().split()
        method, status, request_size, size = words[0], *words[-3:]
        target = " ".join(words[1:-3])  # tests send some with spaces
        self.method, self.target, self.status = method, target, status
        head = file.read(int(file.readline())).decode("latin-1")
        self.headers = {}
        for one in head.split("\r\n")[1:]:
            name, _, value = one.partition(":")
            self.headers[name.strip().lower()] = value.strip()
        self.request = file.read(int(request_size))
        self.body = file.read(int(size))
        coding = self.headers.get("content-encoding")
        if self.body and coding == "gzip":
            self.body = gzip.decompress(self.body)
        elif self.body and coding == "deflate":
            self.body = zlib.decompress(self.body)

    def __str__(self):
        return f"{self.method} {self.target} {self.status}"


def read_exchanges(folder):
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as file:
            while True:
                try:
                    yield Exchange(file)
                except EOFError:
                    break


class Description:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.document = json.load(file)
        self.resolver = jsonschema.RefResolver("", self.document)
        self.paths = [(self.pattern(path), path) for path in self.document["paths"]]

    @staticmethod
    def pattern(template):
        """A variable is a segment, or what is left of it before the template goes on."""
        pieces = re.split(r"\{[a-z]+\}", template)
        return re.compile("([^/:]+)".join(map(re.escape, pieces)) + r"\Z")

    def path_of(self, target):
        """Fixed segments count before variable ones."""
        path = target.partition("?")[0]
        matches = [template for pattern, template in self.paths if pattern.match(path)]
        return min(matches, key=lambda template: template.count("{"), default=None)

    def resolve(self, thing):
        while "$ref" in thing:
            thing = self.resolver.resolve(thing["$ref"])[1]
        return thing

    def check(self, schema, value):
        jsonschema.Draft202012Validator(schema, resolver=self.resolver).validate(value)


def json_part(exchange):
    size = int(exchange.headers.get("inference-header-content-length", len(exchange.body)))
    return json.loads(exchange.body[:size])


def check_body(description, content, exchange):
    media = exchange.headers.get("content-type", "").partition(";")[0]
    if exchange.method == "HEAD":
        return
    if not content:
        assert not exchange.body, "a body where none is described"
        return
    if not media and "*/*" in content:
        return
    assert media in content, f"content type {media!r} is not described"
    if media == "application/json":
        description.check(content[media]["schema"], json_part(exchange))
    elif media == BINARY:
        assert "inference-header-content-length" in exchange.headers, "no header size"
        description.check(content["application/json"]["schema"], json_part(exchange))


def check_request(description, operation, exchange):
    """Requests of other forms (binary tensors behind, compressed) are not looked into."""
    content = operation.get("requestBody", {}).get("content", {})
    if exchange.status != "200" or "application/json" not in content:
        return
    try:
        value = json.loads(exchange.request)
    except ValueError:
        return
    description.check(content["application/json"]["schema"], value)


def check_exchange(description, template, verb, exchange):
    operation = description.document["paths"][template].get(verb)
    if operation is None:
        assert exchange.status in ("405", "400", "401", "403", "411", "413"), "a verb that is not described"
        if exchange.status == "405":
            assert exchange.headers.get("allow"), "405 without Allow"
        return
    responses = operation["responses"]
    of_any = exchange.status not in responses and exchange.status in ("408", "414", "417", "431", "505")
    assert of_any or exchange.status in responses, "a status that is not described"
    response = description.resolve(responses["default" if of_any else exchange.status])
    for name in response.get("headers", {}):
        if exchange.status != "200":
            assert name.lower() in exchange.headers, f"no {name}"
    check_body(description, response.get("content"), exchange)
    check_request(description, operation, exchange)


def check_beside(description, exchange):
    assert exchange.status[0] in "45", "a path that is not described"
    if exchange.method != "HEAD":
        description.check({"$ref": "#/components/schemas/Error"}, json_part(exchange))


# The pages' own parts are no part of the interface.
PARTS = {"/docs/console.js", "/docs/docs.js", "/docs/style.css"}


def run(description, exchanges):
    seen, failures = {}, {}
    for exchange in exchanges:
        verb = "get" if exchange.method == "HEAD" else exchange.method.lower()
        template = description.path_of(exchange.target)
        if exchange.target in PARTS:
            continue
        key = (template, verb) if template and verb in description.document["paths"][template] else None
        seen[key] = seen.get(key, 0) + 1
        try:
            if template:
                check_exchange(description, template, verb, exchange)
            else:
                check_beside(description, exchange)
        except (AssertionError, ValueError, jsonschema.ValidationError) as error:
            failures.setdefault(key, []).append((exchange, error))
    return seen, failures


def report(number, name, count, failures):
    bad = failures or not count
    print(f"{'not ok' if bad else 'ok'} {number} - {name}")
    if not count:
        print("# nothing asked for it")
    for exchange, error in failures[:5]:
        print(f"# {exchange}: {str(error).splitlines()[0]}")
        print(f"#   {exchange.body[:300]!r}")
    return not bad


def main():
    description = Description(os.path.join(TOP, "server", "pages", "openapi.json"))
    seen, failures = run(description, read_exchanges(sys.argv[1]))
    operations = [(path, verb) for path, verbs in description.document["paths"].items() for verb in verbs]
    keys = operations + [None]
    print(f"1..{len(keys)}")
    good = True
    for number, key in enumerate(keys, 1):
        name = f"{key[1].upper()} {key[0]}" if key else "other paths and verbs"
        good &= report(number, name, seen.get(key, 0), failures.get(key, []))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
