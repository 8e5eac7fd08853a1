# For the findings: npm packages in a temporary folder, which goes with the script. Its module
# folder stands where imports from the folder find it. Usage: set -- PACKAGE@VERSION...; . findings/install.sh
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here/onnx.mjs" "$work/"
cd "$work"
npm init -y >/dev/null
npm install --ignore-scripts --no-audit --no-fund "$@" >/dev/null
