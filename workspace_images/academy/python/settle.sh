#!/usr/bin/env bash
# The last step of an image's build: the library into the environment, this project's templates,
# and a note of what the image is.
#   settle.sh segmentation|forecasting cpu|gpu SOURCE
set -euo pipefail
project="$1" accelerator="$2" source="$3"
root=/opt/academy
python="$root/venv/bin/python"

"$python" -m pip install --quiet --no-index --no-deps --no-cache-dir --root-user-action=ignore \
  --disable-pip-version-check "$root"/wheels/academy-*.whl

# Read when any Python of the environment starts; see the module.
site="$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
install -m 0644 "$root/python/academy_torchvision.py" "$site/"
echo 'import academy_torchvision' >"$site/academy_torchvision.pth"

mv "$root/templates" "$root/templates.all"
mv "$root/templates.all/$project" "$root/templates"
rm -rf "$root/templates.all" "$root/wheels"

printf '{"project": "%s", "accelerator": "%s", "source": "%s"}\n' \
  "$project" "$accelerator" "$source" >"$root/image.json"

# A terminal's python and pip are the notebook's.
echo 'PATH=/opt/academy/venv/bin:$PATH' >>/etc/bash.bashrc
# Not the environment: a layer that touches a file holds all of it again.
chmod -R a+rX,go-w "$root"/{bin,check,jupyter,locks,python,share,templates,image.json}
