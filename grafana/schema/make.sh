#!/bin/sh
# Make dashboard.schema.json anew from Grafana's own types (needs Node.js and npm, takes half a minute).
# It is made of @grafana/schema, Apache License 2.0, Copyright Grafana Labs; descriptions are left out.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here/types.ts" "$work"
cd "$work"
npm install --silent --no-audit --no-fund --legacy-peer-deps ts-json-schema-generator@2.9.0 @grafana/schema@12.4.10
echo '{"compilerOptions": {"strict": true, "moduleResolution": "node", "module": "esnext", "target": "es2022"}}' >tsconfig.json
npx ts-json-schema-generator --path types.ts --type Schema --tsconfig tsconfig.json --no-type-check --no-top-ref -o made.json
python3 - made.json "$here/dashboard.schema.json" <<'PYTHON'
import json
import sys


def bare(node):
    """Without descriptions: they are a third of it, and nobody reads them here."""
    if isinstance(node, dict):
        return {key: bare(value) for key, value in node.items() if not (key == "description" and isinstance(value, str))}
    return [bare(one) for one in node] if isinstance(node, list) else node


with open(sys.argv[1]) as made, open(sys.argv[2], "w") as kept:
    schema = bare(json.load(made))
    del schema["$schema"]  # draft 7
    kept.write(json.dumps(schema, sort_keys=True) + "\n")
PYTHON
