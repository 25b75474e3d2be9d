// Which operations of the server's own description the requests of a client reached.
//
// An operation is a path template with a method, as `GET /_openapi.json` lists them. A request reaches one when it is answered with success, or
// when a `HEAD` is answered with "not there".

const isVariable = (part) => part.startsWith("{");

export class Coverage {
  requests = [];

  // Records every request that a client sends and gets an answer to. One that says `raw` in its context is by no method of the client.
  record(client) {
    client.diagnostic.on("response", (_error, { statusCode, meta }) => {
      const { method, path } = meta.request.params;
      this.requests.push({ method, path, status: statusCode, raw: meta.context?.raw === true });
    });
  }

  // Fails with the supported operations that nothing reached and the paths that no method of the client reached, unless the tables have them,
  // and with entries of the tables that do not hold. Returns what was reached, in words.
  check(document, exceptions, withoutMethod) {
    const templates = Object.keys(document.paths).map((template) => ({ template, of: template.split("/") }));
    const described = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { description }]) => ({ method: method.toUpperCase(), path, description })),
    );
    // What the description says of operations that are there only to say what to do instead.
    const supported = described.filter(({ description }) => !description?.startsWith("refused"));
    const wanted = new Set(supported.map(({ method, path }) => `${method} ${path}`));
    const reached = new Set();
    const byMethod = new Set();
    const paths = new Set();
    for (const { method, path, status, raw } of this.requests) {
      const template = templateOf(templates, path);
      const operation = `${method} ${template}`;
      if (!wanted.has(operation) || (status >= 400 && !(method === "HEAD" && status === 404))) continue;
      reached.add(operation);
      if (raw) continue;
      byMethod.add(operation);
      paths.add(template);
    }
    const problems = [
      ...differing(wanted, reached, exceptions, "reached"),
      ...differing(new Set(supported.map(({ path }) => path)), paths, withoutMethod, "reached by a method of the client"),
    ];
    if (problems.length > 0) throw new Error(problems.join("\n"));
    return (
      `${reached.size} of ${wanted.size} supported operations reached, ${byMethod.size} of them by methods of the client; ` +
      `${described.length - wanted.size} more are refused`
    );
  }
}

// What is wanted, not found, and not in the table; and what is in the table for no reason.
function differing(wanted, found, table, what) {
  const excepted = Object.keys(table);
  return [
    ...[...wanted].filter((one) => !found.has(one) && !excepted.includes(one)).map((one) => `not ${what}: ${one}`),
    ...excepted.filter((one) => found.has(one)).map((one) => `${what}, though a table says it cannot be: ${one}`),
    ...excepted.filter((one) => !wanted.has(one)).map((one) => `in a table, though not supported: ${one}`),
  ];
}

// The template that a path is an instance of: of several, the one whose literal parts come first.
function templateOf(templates, path) {
  const parts = path.split("/");
  const rank = ({ of }) => of.map((part) => (isVariable(part) ? "1" : "0")).join("");
  const fitting = templates
    .filter(({ of }) => of.length === parts.length && of.every((part, at) => isVariable(part) || part === parts[at]))
    .sort((one, other) => (rank(one) < rank(other) ? -1 : 1));
  return fitting[0]?.template;
}
