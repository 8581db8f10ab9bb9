/** The program in Python: python-socketio for Socket.IO, httpx for the rest. */
import { Expression, python as written } from "console/literal";

export const needs = ({ action, speaks }) =>
  speaks && action !== "broadcast" ? 'pip install "python-socketio[client]"' : "pip install httpx";

export function program(asked) {
  const token = asked.token && new Expression(asked.token === true ? 'os.environ["TOKEN"]' : written(asked.token));
  const os = asked.token === true ? "import os\n\n" : "";
  if (asked.action === "broadcast") return os + broadcast(asked, token);
  if (!asked.speaks) return os + (asked.transport === "sse" ? stream(asked, token) : polling(asked, token));
  return os + socket(asked, token);
}

function socket({ action, origin, transport, requests }, token) {
  const emits = requests.map(({ name, payload }) => {
    const fields = action === "authenticate" && token ? { ...payload, token } : payload;
    return `    client.emit(${written(name)}, ${written(fields, "    ")}, callback=print)`;
  });
  const auth = token ? `, auth=${written({ token })}` : "";
  return `import socketio

client = socketio.Client()


@client.on("connect")
def connected():
${emits.join("\n") || '    print("Connected", flush=True)'}


@client.on("*")
def heard(name, event):
    print(name, event, flush=True)


client.connect(${written(origin)}, transports=${written([transport])}${auth})
client.wait()
`;
}

const bearer = (token) => new Expression(`"Bearer " + ${token.text}`);
const headersOf = (token) => `HEADERS = ${written(token ? { Authorization: bearer(token) } : {})}`;

function stream({ origin, streamPath }, token) {
  return `import httpx

${headersOf(token)}

with httpx.stream("GET", ${written(origin + streamPath)}, headers=HEADERS, timeout=60) as response:
    response.raise_for_status()
    for line in response.iter_lines():
        print(line, flush=True)
`;
}

function polling({ origin, changesPath, cursor }, token) {
  return `import httpx

${headersOf(token)}
url = httpx.URL(${written(origin + changesPath)})
cursor = ${written(cursor ?? "")}  # the first answer without one says where you are

while True:
    if cursor:
        url = url.copy_set_param("cursor", cursor)
    response = httpx.get(url, headers=HEADERS, timeout=60)
    if response.status_code == 204:
        continue  # nothing new in 25 seconds
    changes = response.raise_for_status().json()
    print(changes, flush=True)
    cursor = changes["cursor"]
`;
}

function broadcast({ origin, body }, token) {
  return `import httpx

${headersOf(token)}
BODY = ${written(body)}

response = httpx.post(${written(`${origin}/api/websocket/broadcast`)}, json=BODY, headers=HEADERS)
print(response.status_code, response.json())
`;
}
