"""Holds what stands around the daemon against the daemon:  papers_test.py LSTMD

The JSON Schemas and man pages know every option and every key that the program knows and no other;
the configs in the tree are as the schemas say; the dashboard asks for metrics that there are; the
manifests hang together. Prints TAP."""

import glob
import json
import os
import re
import subprocess
import sys
import tempfile

import jsonschema
import yaml

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LSTMD = sys.argv[1]
AT_ONCE = {"config", "version", "help", "probe", "make_curve_keys"}  # no keys of the file


def path(*parts):
    return os.path.join(TOP, "deploy", *parts)


def text(*parts):
    with open(path(*parts), encoding="utf-8") as file:
        return file.read()


def schema(name):
    value = json.loads(text("schema", name))
    jsonschema.Draft202012Validator.check_schema(value)
    return value


def validate(name, value):
    jsonschema.Draft202012Validator(schema(name)).validate(value)


def run(*arguments, status=None):
    done = subprocess.run([LSTMD, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert status is None or done.returncode == status, done.stderr
    return done.stdout + done.stderr


def same(what, found, wanted):
    assert set(found) == set(wanted), (
        f"{what}: missing {sorted(set(wanted) - set(found))}, too many {sorted(set(found) - set(wanted))}")


# ---- options ----

def help_options():
    options = re.findall(r"^  --([a-z0-9-]+)", run("--help", status=0), re.M)
    assert len(options) > 20
    return options


def the_server_s_schema_knows_every_option():
    keys = {option.replace("-", "_") for option in help_options()} - AT_ONCE
    same("lstmd.schema.json", schema("lstmd.schema.json")["properties"], keys)


def the_server_s_schema_knows_every_bound():
    """Each number's ends are taken, and what is beyond them is not."""
    properties = schema("lstmd.schema.json")["properties"]
    numbers = {key: value for key, value in properties.items() if value.get("type") == "integer"}
    assert len(numbers) > 20
    with tempfile.TemporaryDirectory() as folder:
        name = os.path.join(folder, "lstmd.json")
        for key, value in numbers.items():
            for number, beyond in ((value["minimum"], False), (value["minimum"] - 1, True),
                                   (value["maximum"], False), (value["maximum"] + 1, True)):
                with open(name, "w", encoding="ascii") as file:
                    json.dump({key: number}, file)
                said = run("--config", name, status=2)  # that, or that there is no model
                assert (f"{key}: " in said) == beyond, said


def the_manual_knows_every_option():
    page = text("man", "lstmd.8").replace("\\-", "-")
    same("lstmd.8", re.findall(r"^\.TP\n\.B --([a-z0-9-]+)", page, re.M), help_options())


def the_converter_s_manual_knows_every_option():
    converter = os.path.join(os.path.dirname(LSTMD), "lstm-convert")
    shown = subprocess.run([converter, "--help"], capture_output=True, text=True, timeout=60, check=True)
    wanted = set(re.findall(r"^  (--[a-z-]+)", shown.stdout, re.M)) | {"--version"}
    page = text("man", "lstm-convert.1").replace("\\-", "-")
    same("lstm-convert.1", re.findall(r"(?<![a-z])--[a-z-]+", page.partition("OPTIONS")[2]), wanted)


# ---- a model's config ----

def known_keys(config):
    """What the parser says that it knows, where it is shown a key that it does not."""
    with tempfile.TemporaryDirectory() as folder:
        name = os.path.join(folder, "m.json")
        with open(name, "w", encoding="ascii") as file:
            json.dump(config, file)
        said = run("--check", "--model", name)
    found = re.search(r"unknown key; known are (.*)", said)
    assert found, said
    return [key for key in re.split(r"[ ,]+|and ", found.group(1).strip()) if key]


def the_model_s_schema_knows_every_key():
    model = schema("model.schema.json")
    layers = model["$defs"]["layer"]["oneOf"]
    odd = {"no_such_key": 1}
    weights = {"weights": "m.safetensors"}
    same("the model", model["properties"], known_keys(odd))
    same("lstm", model["properties"]["lstm"]["properties"], known_keys({**weights, "lstm": odd}))
    same("tensors", model["properties"]["tensors"]["properties"], known_keys({**weights, "tensors": odd}))
    activation = model["$defs"]["activation"]["anyOf"][1]["properties"]
    same("an activation", activation, known_keys({**weights, "lstm": {"activation": odd}}))
    for layer in layers:
        kind = layer["properties"]["type"]["const"]
        known = known_keys({**weights, "layers": [{"type": kind, **odd}]})
        same(kind, layer["properties"], known)


def check_layer(layer):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"weights": "no_such_file", "layers": [layer]}, file)
        file.flush()
        return run("--check", "--model", file.name)


def the_model_s_schema_knows_every_layer():
    layers = schema("model.schema.json")["$defs"]["layer"]["oneOf"]
    said = check_layer({"type": "no_such"})
    known = re.search(r"is not a layer type; (.*) are", said)
    assert known, said
    same("layers", [layer["properties"]["type"]["const"] for layer in layers], known.group(1).split(", "))


def the_model_s_schema_knows_every_activation():
    """Some have a second name, which the parser takes and does not list."""
    names = set(schema("model.schema.json")["$defs"]["function"]["enum"])
    said = check_layer({"type": "activation", "function": "no_such"})
    known = re.search(r"is not an activation; (.*) are", said)
    assert known and set(known.group(1).split(", ")) <= names, said
    for name in names:
        said = check_layer({"type": "activation", "function": name})
        assert "No such file" in said, said


def the_manual_knows_every_key_of_a_model():
    keys = text("man", "lstmd.json.5").partition("keys: each")[2].partition("end of keys")[0]
    named = re.findall(r"^\.TP\n\.B (.*)", keys, re.M)
    same("lstmd.json.5", [key for line in named for key in re.split(r"\\fR, \\fB", line)],
         schema("model.schema.json")["properties"])


def every_config_in_the_tree_is_as_the_schemas_say():
    configs = glob.glob(path("models", "*.json"))
    assert len(configs) >= 4
    for name in configs:
        with open(name, encoding="utf-8") as file:
            validate("model.schema.json", json.load(file))
    validate("lstmd.schema.json", json.loads(text("systemd", "lstmd.json")))


def what_the_parser_refuses_the_schema_refuses():
    for config in ({}, {"weights": 1}, {"weights": "w", "lstm": {}, "layers": []}, {"weights": "w", "layers": []},
                   {"weights": "w", "layers": [{"type": "gru"}]}, {"weights": "w", "name": "../m"},
                   {"weights": "w", "layers": [{"type": "activation"}]}, {"weights": "w", "steps": 0},
                   {"weights": "w", "lstm": {"merge_mode": "max"}}, {"weights": "w", "lstm": {"stateful": True}}):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(config, file)
            file.flush()
            said = run("--check", "--model", file.name)
        assert "No such file" not in said, f"the parser takes {config}"
        try:
            validate("model.schema.json", config)
        except jsonschema.ValidationError:
            continue
        raise AssertionError(f"the schema takes {config}; the parser says {said}")


def what_the_parser_takes_the_schema_takes():
    """bug_549: pools' padding as a number of steps. A config that has passed names weights that are not there."""
    for layer in ({"type": "max_pool1d", "pool_size": 3, "padding": 1}, {"type": "avg_pool1d", "padding": 1},
                  {"type": "conv1d", "padding": 2}, {"type": "max_pool1d", "padding": "same"}):
        config = {"weights": "none.safetensors", "layers": [layer]}
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(config, file)
            file.flush()
            said = run("--check", "--model", file.name)
        assert "No such file" in said, f"the parser says of {config}: {said}"
        validate("model.schema.json", config)


# ---- what runs it ----

def documents(*parts):
    return list(yaml.safe_load_all(text(*parts)))


def manifests():
    kustomization, = documents("kubernetes", "kustomization.yaml")
    files = kustomization["resources"]
    others = {os.path.basename(name) for name in glob.glob(path("kubernetes", "*.yaml"))}
    same("kustomization.yaml", files, others - {"kustomization.yaml"})
    return {one["kind"]: one for file in files for one in documents("kubernetes", file)}


def the_manifests_hang_together():
    kinds = manifests()
    pod = kinds["Deployment"]["spec"]["template"]["spec"]
    container, = pod["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports["http"] == 8080
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["port"] in ports
    assert kinds["Service"]["spec"]["ports"][0]["targetPort"] in ports
    assert kinds["Service"]["spec"]["sessionAffinity"] == "ClientIP"
    labels = kinds["Deployment"]["spec"]["template"]["metadata"]["labels"]
    for selector in (kinds["Deployment"]["spec"]["selector"]["matchLabels"], kinds["Service"]["spec"]["selector"],
                     kinds["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
                     kinds["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"]):
        assert selector and selector.items() <= labels.items(), selector
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    for mount in container["volumeMounts"]:
        assert mount["name"] in volumes and mount["readOnly"]
    claim = volumes["models"]["persistentVolumeClaim"]["claimName"]
    assert claim == kinds["PersistentVolumeClaim"]["metadata"]["name"]
    assert kinds["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == kinds["Deployment"]["metadata"]["name"]


def a_pod_is_what_restricted_namespaces_take():
    """The rules of the pod security standard "restricted"."""
    runtime, = documents("kserve", "runtime.yaml")
    pod = manifests()["Deployment"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] and pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    for container in pod["containers"] + runtime["spec"]["containers"]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False and context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"] == container["resources"]["requests"]["memory"]


def a_pod_has_time_to_drain():
    pod = manifests()["Deployment"]["spec"]["template"]["spec"]
    environment = {one["name"]: one["value"] for one in pod["containers"][0]["env"]}
    options = {"LSTMD_" + option.replace("-", "_").upper() for option in help_options()}
    assert set(environment) <= options, environment
    drain = int(environment["LSTMD_DRAIN_DELAY_MS"]) + int(environment["LSTMD_DRAIN_TIMEOUT_MS"])
    assert pod["terminationGracePeriodSeconds"] * 1000 > drain


def metric_names():
    models = path("models")
    process = subprocess.Popen([LSTMD, "--models", models, "--http", "127.0.0.1:0"], stderr=subprocess.PIPE, text=True)
    try:
        port = re.search(r"http=127\.0\.0\.1:(\d+)", process.stderr.readline()).group(1)
        import urllib.request
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            lines = answer.read().decode()
    finally:
        process.terminate()
        process.communicate(timeout=60)
    names = dict(re.findall(r"^# TYPE (\S+) (\S+)", lines, re.M))
    parts = {name + end for name, kind in names.items() if kind == "histogram" for end in ("_bucket", "_sum", "_count")}
    return set(names) | parts


def dashboards_and_autoscalers_ask_for_metrics_that_there_are():
    there = metric_names()
    dashboard = json.loads(text("compose", "grafana", "dashboards", "lstmd.json"))
    asked = set()
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            asked |= set(re.findall(r"\b(?:nv|lstmd|process)_[a-z_]+", target["expr"]))
    for metric in manifests()["HorizontalPodAutoscaler"]["spec"]["metrics"]:
        asked.add(metric["pods"]["metric"]["name"])
    assert len(asked) > 10 and asked <= there, sorted(asked - there)


def compose_runs_what_there_is():
    compose, = documents("compose", "compose.yaml")
    services = compose["services"]
    scraped, = documents("compose", "prometheus.yml")
    target = scraped["scrape_configs"][0]["static_configs"][0]["targets"][0]
    assert target.split(":")[0] in services
    for service in services.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert not source.startswith(".") or os.path.exists(path("compose", source)), source


def bug_476_the_unit_starts_what_was_installed():
    with tempfile.TemporaryDirectory() as folder:
        for prefix in ("/usr/local", "/usr", "/opt/lstmd"):
            subprocess.run(["make", "-s", "-C", TOP, "install-papers", f"DESTDIR={folder}", f"PREFIX={prefix}"],
                           env={"PATH": os.environ["PATH"]}, capture_output=True, timeout=60, check=True)
            with open(f"{folder}{prefix}/lib/systemd/system/lstmd.service", encoding="utf-8") as unit:
                program = re.search(r"^ExecStart=(\S+)", unit.read(), re.M).group(1)
            assert program == f"{prefix}/bin/lstmd", program


def the_unit_lets_the_server_take_its_sandbox():
    """By name: systemd 252 knows no group of such calls, and says so only in its log."""
    allowed = re.search(r"^SystemCallFilter=(@system-service.*)", text("systemd", "lstmd.service"), re.M).group(1)
    calls = {"landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "seccomp"}
    assert calls <= set(allowed.split()), allowed


def man_pages_are_well_formed():
    pages = glob.glob(path("man", "*.[158]"))
    assert len(pages) == 3
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *pages], capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 0, done.stdout


TESTS = [
    the_server_s_schema_knows_every_option, the_server_s_schema_knows_every_bound,
    the_manual_knows_every_option,
    the_converter_s_manual_knows_every_option, the_model_s_schema_knows_every_key,
    the_model_s_schema_knows_every_layer, the_model_s_schema_knows_every_activation,
    the_manual_knows_every_key_of_a_model,
    every_config_in_the_tree_is_as_the_schemas_say, what_the_parser_refuses_the_schema_refuses,
    what_the_parser_takes_the_schema_takes,
    the_manifests_hang_together, a_pod_is_what_restricted_namespaces_take, a_pod_has_time_to_drain,
    dashboards_and_autoscalers_ask_for_metrics_that_there_are, compose_runs_what_there_is,
    bug_476_the_unit_starts_what_was_installed, the_unit_lets_the_server_take_its_sandbox,
    man_pages_are_well_formed,
]


def main():
    print(f"1..{len(TESTS)}")
    good = True
    for number, test in enumerate(TESTS, 1):
        try:
            test()
            print(f"ok {number} - {test.__name__}")
        except Exception as error:  # whatever it is, the test has failed
            good = False
            print(f"not ok {number} - {test.__name__}")
            print("\n".join("# " + line for line in f"{type(error).__name__}: {error}".splitlines()[:12]))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
