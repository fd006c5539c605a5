"""Contracts that can be meant, and those that cannot: one table for the parser and for the JSON schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

MODEL = '[model]\npath = "x"\n'
SIGNATURE = MODEL + '[signatures.s]\ninputs.x = "float32[n]"\noutputs.y = "float32[n]"\n'

ACCEPTED = {
    "a model alone": MODEL,
    "a model of several": '[models.a]\npath = "x"\n[models."b c"]\npath = "y"\nversion = 3\n',
    "all of a model": '[model]\npath = "x"\nname = "a"\nversion = 1\nlabels = { stable = 0 }\ntags = ["serve"]\n'
    'server_args = ["--x=1"]\nisolated = true\n',
    "a label": MODEL + 'label = "stable"\n',
    "an include": 'include = "common.toml"\n' + MODEL,
    "the model in an include": 'include = ["common.toml", "base.toml"]\n[model]\nname = "a"\n',
    "a signature": SIGNATURE,
    "a method": MODEL + '[signatures.s]\nmethod = "regress"\n',
    "specs": MODEL
    + '[signatures.s.inputs]\na = " DT_FLOAT [ 1<=n<= 5, ?<=3,_ ] "\nb = "half[...]"\nc = "str[] = \\"x\\""\n'
    "\"d.e\" = 'int8[2] = [1, 2]'\n",
    "goldens": MODEL + '[goldens]\npath = "g"\nrtol = 1\natol = 0\nequal_nan = false\n',
    "goldens by output": MODEL
    + '[goldens]\npath = "g"\noutputs.a = { exact = true, mean_absolute = 1e-4 }\noutputs.b = { ulps = 4, differing = 0.5 }\n'
    "outputs.c = { cosine = 0.999, equal_nan = true }\noutputs.d = { psnr = 40, peak = 1.0 }\n"
    "outputs.e = { argmax = true, rtol = 0.1 }\noutputs.f = { top_k = 5, atol = 0.1 }\n"
    'outputs.g = { unordered = true }\noutputs."h i" = { custom = "tests.boxes:same" }\n',
    "goldens together": MODEL
    + '[[goldens]]\npath = "g"\ntogether = true\nagainst = "exports/1"\n'
    + '[[goldens]]\npath = "h"\nagainst = 1\n'
    + "overall.a = { exact = true, mean_absolute = 1e-4, differing = 0.5 }\noverall.b = { ulps = 4, cosine = 1 }\n"
    + "overall.c = { psnr = 40, peak = 255, unordered = true }\noverall.d = { argmax = true, top_k = 5, rtol = 1, atol = 1 }\n"
    + "overall.e = { equal_nan = true }\n",
    "several goldens": MODEL + '[[goldens]]\npath = ["g", "h"]\n[[goldens]]\npath = "i"\n',
    "requests": MODEL
    + '[requests.a]\nsignature_name = "s"\ninputs = { x = [[1, "NaN"]], y.b64 = "eA==" }\noutputs = []\n'
    '[requests.b]\ninstances = []\npredictions = 1\ntransport = "rest"\ndescription = "d"\n'
    '[requests.c]\ninputs = true\nexpect_error = { code = "INTERNAL", text = "t" }\n'
    '[requests.d]\ninputs = ""\nexpect_error = "UNKNOWN"\n',
    "compatible": MODEL
    + '[compatible]\nbaseline = "old"\nfail_on = "safe"\nseverities = { output-renamed = "risky" }\n'
    'accepted = [{ rule = "output-renamed", signature = "s", tensor = "y", reason = "r" }]\n',
    "lint": MODEL + '[lint]\nfail_on = "breaking"\nseverities = {}\n'
    'accepted = [{ rule = "output-renamed", signature = "s", tensor = "y", reason = "r" }]\n',
    "properties": SIGNATURE
    + '[properties.s]\nsame = ["alone", "order", "repeated", "rest-rows", "rest-columns", "grpc", '
    '"batching", "in-process"]\npadding = { dimension = "n" }\nrequests = "g"\nrtol = 0.5\natol = 0.5\nequal_nan = true\n'
    "inputs.x = { finite = true, min = -1, max = 1.5 }\n"
    'outputs.y = { finite = true, min = 0, max = 1, sums_to = 1, increasing_in = "x" }\n',
    "properties of strings": MODEL + '[properties.s]\nrequests = ["g"]\ninputs.x = { length = [0, 4] }\n'
    'inputs.w = { one_of = [0, 1] }\npadding = { dimension = "n", value = "" }\n'
    'outputs.y = { one_of = ["a", { b64 = "/w==" }] }\noutputs.z = { decreasing_in = ["x", "w"] }\n',
    "generated": SIGNATURE + '[generated]\nexamples = 1\ninvalid = ["missing", "rank"]\nsignatures = ["s"]\n',
    "a latency": MODEL
    + '[latency]\np50 = "5ms"\np90 = " 1.5 s "\np99 = "250\u03bcs"\nmax = "100ns"\nthroughput = 0.5\n'
    'requests = 100\nconcurrency = 4\nwarmup = 0\nfailing = 0.01\ntransport = "rest"\nsignature = "s"\nrequest = ["g", "h"]\n'
    'against = "old"\nat_most = 1.2\n',
    "several latencies": MODEL
    + '[[latency]]\np50 = "5ms"\nrate = 200\n[[latency]]\nagainst = 1\nat_most = 1\nrequest = "g"\n',
    "checks of one of several": '[models.a]\npath = "x"\ngoldens.path = "g"\nlint = {}\nrequests.r = { inputs = 1, outputs = 1 }\n'
    '[models.a.signatures.s]\nmethod = "predict"\n[models.a.compatible]\nbaseline = "b"\n'
    "[models.a.properties.s]\nsame = []\n[models.a.generated]\n[lint]\n",
}


class Refused(NamedTuple):
    """A contract that cannot be meant. `message` is what is said of it behind `c.tfserving.toml:`.

    `form` says whether its form alone is wrong, so that the JSON schema refuses it too.
    """

    id: str
    text: str
    message: str
    form: bool = True


class RefusedBesideOthers(NamedTuple):
    """A contract that cannot be meant beside `others`; `message` is all that is said, to the end of a line."""

    id: str
    text: str
    others: Mapping[str, str]
    message: str


_PROPERTIES = MODEL + '[goldens]\npath = "g"\n[properties.s]\n'

REFUSED = [
    Refused("nothing", "", '1: no model: a contract has [model] with path = "exports/..."'),
    Refused("no models", "[models]\n", "1: no model: "),
    Refused("no model", "[lint]\n", "1: no model: "),
    Refused("a model and models", MODEL + '[models.a]\npath = "y"\n', "3: both [model] and [models] are given: "),
    Refused("no path", '[model]\nname = "a"\n', '1: model has no path; write path = "exports/half_plus_two"'),
    Refused("no path of several", "[models.a]\n", "1: models.a has no path; "),
    Refused("two names in a model's", '[models."a::b"]\npath = "x"\n', '1: models."a::b": tests are chosen by this name, FILE::NAME, ', form=False),
    Refused("brackets in a model's name", '[models."a[1]"]\npath = "x"\n', '1: models."a[1]": tests are chosen by this name, ', form=False),
    Refused("a model without a name", '[models.""]\npath = "x"\n', '1: models."": tests are chosen by this name, ', form=False),
    Refused("a model that is text", 'model = "x"\n', '1: model = "x"; a table expected, such as model = { path'),
    Refused("unknown table", MODEL + "[golden]\n", "3: unknown key golden; did you mean goldens? (known: include, model, "),
    Refused("unknown key", MODEL + 'nmae = "a"\n', "3: unknown key model.nmae; did you mean name? (known: path, name, "),
    Refused("a key outside its table", 'path = "x"\n', "1: unknown key path; path belongs in [model]"),
    Refused("a signature's key", 'inputs.x = "int8[]"\n' + MODEL, "1: unknown key inputs; inputs belongs in [signatures.NAME]"),
    Refused("a table in the model", MODEL + "goldens = []\n", "3: unknown key model.goldens; goldens belongs beside [model], "),
    Refused("path is a number", "[model]\npath = 3\n", '2: model.path = 3; a path expected, such as path = "exports/'),
    Refused("path is empty", '[model]\npath = ""\n', '2: model.path = ""; a path expected'),
    Refused("a path that none can be", '[model]\npath = "a\\u0000"\n', '2: model.path = "a\\U00000000"; a path expected', form=False),
    Refused("version is true", MODEL + "version = true\n", "3: model.version = true; a whole number that is not negative"),
    Refused("version is negative", MODEL + "version = -1\n", "3: model.version = -1; a whole number that is not negative"),
    Refused("version and label", MODEL + 'version = 1\nlabel = "a"\n', "4: label and version (c.tfserving.toml:3) exclude each other", form=False),
    Refused("labels", MODEL + 'labels = { a = "1" }\n', '3: model.labels.a = "1"; a whole number'),
    Refused("tags", MODEL + 'tags = "serve"\n', '3: model.tags = "serve"; a list of text expected, such as tags = ["serve"]'),
    Refused("server_args", MODEL + "server_args = [1]\n", "3: model.server_args[0] = 1; text expected, such as "),
    Refused("include", 'include = [1]\n' + MODEL, '1: include[0] = 1; a path expected, such as "common.toml"'),
    Refused("an include that none can be", 'include = "a\\u0000"\n' + MODEL, '1: include = "a\\U00000000"; a path expected', form=False),
    Refused("an include with too long a name", f'include = "{"a" * 300}"\n' + MODEL, "1: no such file to include: ", form=False),
    Refused("an empty latency", MODEL + "[latency]\n", "3: latency: nothing to keep: give p50, p90, p99, max, throughput, or", form=False),
    Refused("no latency", MODEL + "latency = []\n", "3: unknown key model.latency; latency belongs beside [model], as [latency]"),
    Refused("a duration without a unit", MODEL + "[latency]\np50 = 5\n", '4: latency.p50 = 5; a duration as text, a number and ns, us, ms or s, expected, such as p50 = "5ms"'),
    Refused("a duration of another unit", MODEL + '[latency]\np50 = "5min"\n', '4: latency.p50 = "5min"; a duration as text, '),
    Refused("no time at all", MODEL + '[latency]\np50 = "0ms"\n', '4: latency.p50 = "0ms"; a duration as text, ', form=False),
    Refused("a rate of clients", MODEL + '[[latency]]\nmax = "1s"\n[[latency]]\nmax = "1s"\nrate = 1\nconcurrency = 1\n', "5: latency[1]: rate and concurrency exclude each other", form=False),
    Refused("a latency's requests", MODEL + '[latency]\nmax = "1s"\nrequests = "g"\n', '5: latency.requests = "g"; a whole number from 1 on expected'),
    Refused("a share that may fail", MODEL + '[latency]\nmax = "1s"\nfailing = 1\n', "5: latency.failing = 1; a number that is not negative and is below 1 expected, such as failing = 0.01"),
    Refused("a rate of none", MODEL + '[latency]\nmax = "1s"\nrate = 0\n', "5: latency.rate = 0; a number above 0 expected, such as rate = 200"),
    Refused("a latency's transport", MODEL + '[latency]\nmax = "1s"\ntransport = "http"\n', '5: latency.transport = "http"; one of rest, grpc expected'),
    Refused("a ratio to nothing", MODEL + '[latency]\nat_most = 1.2\n', "3: latency: against and at_most belong together; give against", form=False),
    Refused("a latency of no signature", SIGNATURE + '[latency]\nmax = "1s"\nsignature = "t"\n', "8: no [signatures.t] in this contract", form=False),
    Refused("an empty signature", MODEL + "[signatures.s]\n", "3: nothing to check: give signatures.s inputs, outputs or", form=False),
    Refused("a method", MODEL + '[signatures.s]\nmethod = "Predict"\n', '4: signatures.s.method = "Predict"; one of predict, classify, regress expected; did you mean predict?'),
    Refused("a spec's text", MODEL + '[signatures.s]\ninputs.x = "float32[n"\n', "4: signatures.s.inputs.x: tensor spec does not parse: ',' or ']' comes here\n    float32[n\n             ^\n"),
    Refused("a dtype", MODEL + '[signatures.s]\ninputs.x = "float33[n]"\n', "4: signatures.s.inputs.x: tensor spec does not parse: no such dtype; did you mean float32?", form=False),
    Refused("a spec that is none", MODEL + "[signatures.s]\ninputs.x = []\n", "4: signatures.s.inputs.x = []; a tensor's dtype and shape as text expected, such as x = "),
    Refused("a dot in a name", MODEL + '[signatures.s]\ninputs.x.y = "int8[]"\n', '4: a name with a dot stands in quotes: signatures.s.inputs."x.y" = ...'),
    Refused("two meanings", MODEL + '[signatures.s]\ninputs.x = "int8[n<=3]"\noutputs.y = "int8[n<=4]"\n', "3: dimension 'n' has two meanings: n<=3 in inputs.x, n<=4 in outputs.y", form=False),
    Refused("goldens without path", MODEL + "[goldens]\nrtol = 1\n", "3: goldens has no path; write path = "),
    Refused("custom over all", MODEL + '[goldens]\npath = "g"\noverall.a = { custom = "a:b" }\n', "5: unknown key goldens.overall.a.custom"),
    Refused("a baseline that is no path", MODEL + '[goldens]\npath = "g"\nagainst = true\n', "5: goldens.against = true; "),
    Refused("no golden", MODEL + "[goldens]\npath = []\n", "4: goldens.path = []; a list of paths expected"),
    Refused("goldens that are text", 'goldens = "g"\n' + MODEL, '1: goldens = "g"; a table or several such tables expected, such as goldens = { path'),
    Refused("a tolerance", MODEL + '[[goldens]]\npath = "g"\n[[goldens]]\npath = "g"\nrtol = -1\n', "7: goldens[1].rtol = -1; a number that is not negative expected, such as rtol = 1e-5"),
    Refused("a tolerance that is none", MODEL + '[goldens]\npath = "g"\natol = nan\n', "5: goldens.atol = nan; a number", form=False),
    Refused("equal_nan", MODEL + '[goldens]\npath = "g"\nequal_nan = 1\n', "5: goldens.equal_nan = 1; true or false expected"),
    Refused("a rule of an output", MODEL + '[goldens]\npath = "g"\noutputs.y.cosin = 1\n', "5: unknown key goldens.outputs.y.cosin; did you mean cosine?"),
    Refused("a similarity", MODEL + '[goldens]\npath = "g"\noutputs.y.cosine = 1.5\n', "5: goldens.outputs.y.cosine = 1.5; a number from -1 to 1 expected, such as cosine = 0.999"),
    Refused("a share", MODEL + '[goldens]\npath = "g"\noutputs.y.differing = 2\n', "5: goldens.outputs.y.differing = 2; a number from 0 to 1 expected, such as differing = 0.005"),
    Refused("a function", MODEL + '[goldens]\npath = "g"\noutputs.y.custom = "same"\n', '5: goldens.outputs.y.custom = "same"; the name of a function expected, such as custom = "comparisons:same_boxes"'),
    Refused("two limits of values", MODEL + '[goldens]\npath = "g"\noutputs.y = { exact = true, ulps = 4 }\n', "5: goldens.outputs.y: exact and ulps exclude each other; each limits every value; give one", form=False),
    Refused("a peak alone", MODEL + '[[goldens]]\npath = "g"\noutputs.y.peak = 4\n', "5: goldens[0].outputs.y: peak belongs to psnr", form=False),
    Refused("no peak above zero", MODEL + '[goldens]\npath = "g"\noutputs.y = { psnr = 40, peak = 0 }\n', "5: goldens.outputs.y: peak is 0; a number above 0 expected", form=False),
    Refused("a rule that asks nothing", MODEL + '[goldens]\npath = "g"\noutputs.y = {}\n', "5: goldens.outputs.y is {}; a mapping of exact, ulps, ", form=False),
    Refused("two requests", MODEL + "[requests.a]\ninputs = 1\n[requests.a]\n", "5: a key or table stands twice, requests.a, first on line 3", form=False),
    Refused("a request of nothing", MODEL + "[requests.a]\ninputs = 1\n", "3: nothing to check: give requests.a expect_error", form=False),
    Refused("two inputs", MODEL + '[requests.a]\ninputs = 1\ninstances = 1\nexpect_error = "INTERNAL"\n', "3: requests.a: a case has either `inputs` or `instances`; this has inputs and instances", form=False),
    Refused("an answer and an error", MODEL + '[requests.a]\ninputs = 1\noutputs = 1\nexpect_error = "INTERNAL"\n', "3: requests.a: a case has either an answer or `expect_error`", form=False),
    Refused("no such code", MODEL + '[requests.a]\ninputs = 1\nexpect_error = "INVALID"\n', '5: requests.a.expect_error = "INVALID"; one of CANCELLED, '),
    Refused("an error without a code", MODEL + '[requests.a]\ninputs = 1\nexpect_error.text = "t"\n', '5: requests.a.expect_error has no code; write code = "INVALID_ARGUMENT"'),
    Refused("a date", MODEL + "[requests.a]\ninputs.x = [1979-05-27]\noutputs = 1\n", "4: requests.a.inputs.x[0]: no tensor holds a date", form=False),
    Refused("a transport", MODEL + '[requests.a]\ninputs = 1\noutputs = 1\ntransport = "http"\n', '6: requests.a.transport = "http"; one of rest, grpc expected'),
    Refused("no baseline", MODEL + "[compatible]\n", "3: compatible has no baseline; "),
    Refused("a level", MODEL + '[lint]\nfail_on = "braking"\n', '4: lint.fail_on = "braking"; one of breaking, risky, safe expected; did you mean breaking?'),
    Refused("a severity", MODEL + '[lint]\nseverities.output-renamed = "of"\n', '4: lint.severities.output-renamed = "of"; one of breaking, risky, safe, off expected; did you mean off?'),
    Refused("no such rule", MODEL + '[lint]\nseverities.output-renamd = "off"\n', "4: lint.severities.output-renamd: no such rule: 'output-renamd'; did you mean 'output-renamed'?", form=False),
    Refused("an accepted rule", MODEL + '[lint]\naccepted = [\n  { rule = "output-renamed", reason = "r" },\n  { rule = "renamed", reason = "r" },\n]\n', "6: lint.accepted[1]: no such rule: 'renamed'", form=False),
    Refused("no reason", MODEL + '[lint]\naccepted = [\n  { rule = "output-renamed" },\n]\n', "5: lint.accepted[0] has no reason; write reason = "),
    Refused("accepted is a number", MODEL + "[lint]\naccepted = 3\n", "4: lint.accepted = 3; a list of tables with rule and reason or a path expected"),
    Refused("accepted is not there", MODEL + '[lint]\naccepted = "no.toml"\n', "4: no.toml cannot be read", form=False),
    Refused("properties that ask nothing", MODEL + "[properties.s]\n", "3: which requests? properties.s has none: give requests", form=False),
    Refused("a relation", _PROPERTIES + 'same = ["alon"]\n', '6: properties.s.same[0] = "alon"; one of alone, order, '),
    Refused("a range", _PROPERTIES + "inputs.x = { min = 2, max = 1 }\n", "6: properties.s: inputs.x.min: no value is at least 2 and at most 1", form=False),
    Refused("a length", _PROPERTIES + "inputs.x.length = [1]\n", "6: properties.s.inputs.x.length = [1]; a list of two whole numbers expected"),
    Refused("a sum of inputs", _PROPERTIES + "inputs.x.sums_to = 1\n", "6: unknown key properties.s.inputs.x.sums_to (known: finite, "),
    Refused("a length of outputs", _PROPERTIES + "outputs.y.length = [1, 2]\n", "6: unknown key properties.s.outputs.y.length (known: finite, "),
    Refused("one of none", _PROPERTIES + "outputs.y.one_of = []\n", "6: properties.s.outputs.y.one_of = []; a list of values"),
    Refused("padding", _PROPERTIES + "padding.value = 1\n", "6: properties.s.padding has no dimension; write dimension = "),
    Refused("properties of no signature", SIGNATURE + '[properties.t]\nrequests = "g"\n', "6: no [signatures.t] in this contract (known: s)", form=False),
    Refused("properties of no input", SIGNATURE + '[properties.s]\nrequests = "g"\ninputs.z = { min = 0 }\n', "8: properties.s: inputs", form=False),
    Refused("padding of no dimension", SIGNATURE + '[properties.s]\nrequests = "g"\npadding.dimension = "m"\n', "8: properties.s: padding.dimension: ", form=False),
    Refused("no example", MODEL + "[generated]\nexamples = 0\n", "4: generated.examples = 0; a whole number from 1 on expected, such as examples = 50"),
    Refused("half an example", MODEL + "[generated]\nexamples = 1.5\n", "4: generated.examples = 1.5; a whole number from 1 on"),
    Refused("no such kind", MODEL + '[generated]\ninvalid = ["ranks"]\n', '4: generated.invalid[0] = "ranks"; one of missing, extra, dtype, rank, size expected; did you mean rank?'),
    Refused("generated for no signature", SIGNATURE + '[generated]\nsignatures = ["t"]\n', "7: no [signatures.t] in this contract (known: s)", form=False),
    Refused("generated for classify", MODEL + '[signatures.s]\nmethod = "classify"\n[generated]\nsignatures = ["s"]\n', "6: s is called with classify; requests are generated for predict only", form=False),
    Refused("a key of one of several", '[models.a]\npath = "x"\n[models.a.lint]\nfail = 1\n', "4: unknown key models.a.lint.fail; did you mean fail_on?"),
]  # fmt: skip

REFUSED_BESIDE_OTHERS = [
    RefusedBesideOthers(
        "an include that is not there",
        'include = ["comon.toml"]\n' + MODEL,
        {"common.toml": ""},
        "c.tfserving.toml:1: no such file to include: {here}/comon.toml; did you mean common.toml?",
    ),
    RefusedBesideOthers(
        "an include in no directory",
        'include = "sub/a.toml"\n' + MODEL,
        {},
        "c.tfserving.toml:1: no such file to include: {here}/sub/a.toml; there is no directory {here}/sub",
    ),
    RefusedBesideOthers(
        "a circle",
        'include = "a.toml"\n' + MODEL,
        {"a.toml": '\ninclude = ["b.toml"]\n', "b.toml": 'include = ["d.toml", "a.toml"]\n', "d.toml": ""},
        "b.toml:1: circular include: a.toml -> b.toml -> a.toml",
    ),
    RefusedBesideOthers(
        "a circle of one",
        'include = "c.tfserving.toml"\n',
        {},
        "c.tfserving.toml:1: circular include: c.tfserving.toml -> c.tfserving.toml",
    ),
    RefusedBesideOthers(
        "a key",
        'include = "sub/a.toml"\n' + MODEL,
        {"sub/a.toml": "[lint]\nfailon = 1\n"},
        "sub/a.toml:2: unknown key lint.failon; did you mean fail_on? (known: fail_on, severities, accepted)",
    ),
    RefusedBesideOthers(
        "a file that is no TOML",
        'include = "a.toml"\n' + MODEL,
        {"a.toml": "[lint\n"},
        "a.toml:1: expected ']' at the end of a table declaration\n    [lint\n         ^",
    ),
    RefusedBesideOthers(
        "a dimension of two files",
        'include = "a.toml"\n' + MODEL + '[signatures.s]\ninputs.x = "int8[n<=3]"\n',
        {"a.toml": '[signatures.s]\noutputs.y = "int8[n<=4]"\n'},
        "c.tfserving.toml:4: dimension 'n' has two meanings: n<=3 in inputs.x, n<=4 in outputs.y; it is one number within "
        "a request, so write its limits once, or give one of them another name",
    ),
    RefusedBesideOthers(
        "a model and models of two files",
        'include = "a.toml"\n' + MODEL,
        {"a.toml": '\n[models.a]\npath = "x"\n'},
        "a.toml:2: both [model] and [models] are given: one model has [model], several [models.NAME]",
    ),
    RefusedBesideOthers(
        "what both files lack",
        'include = "a.toml"\n[model]\nname = "x"\n',
        {"a.toml": '[model]\ntags = ["serve"]\n'},
        'c.tfserving.toml:2: model has no path; write path = "exports/half_plus_two"',
    ),
]
