#!/bin/sh
# Fetches the vendored modules anew. Changes to them: bare imports become relative ones (so that no
# import map, an inline script, is needed), source map comments go, uPlot gets an export line.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >/dev/null
npm install --silent --ignore-scripts preact@11.2.0 @preact/signals-core@1.14.5 \
  @preact/signals@2.11.4 htm@3.1.1 uplot@1.6.32
take() {
  sed -e 's|"preact/hooks"|"./hooks.js"|g' -e 's|"@preact/signals-core"|"./signals-core.js"|g' \
    -e 's|"preact"|"./preact.js"|g' -e '/^\/\/# sourceMappingURL/d' \
    -e 's|//# sourceMappingURL=.*$||' "node_modules/$1" >"$here/$2"
}
take preact/dist/preact.mjs preact.js
take preact/hooks/dist/hooks.mjs hooks.js
take @preact/signals-core/dist/signals-core.mjs signals-core.js
take @preact/signals/dist/signals.mjs signals.js
take htm/dist/htm.mjs htm.js
take uplot/dist/uPlot.iife.min.js uplot.js
printf '\nexport default uPlot;\n' >>"$here/uplot.js"
cp node_modules/uplot/dist/uPlot.min.css "$here/uplot.css"
{
  for name in preact @preact/signals htm uplot; do
    printf '%s %s\n\n' "$name" "$(node -p "require('./node_modules/$name/package.json').version")"
    cat "node_modules/$name/LICENSE"
    printf '\n\n'
  done
} >"$here/NOTICE"
