"""For `manage.py shell`: an organization, a configuration with one file, a writer host without operator."""

# ruff: noqa: INP001, T201, S106  # read by a shell, which has to be told the result; a test's password
import json
import os

from imager.accounts.models import Channel, Organization
from orders.models import Configuration, Content
from tasks_app.models import Host

file = json.loads(os.environ["TEST_FILE"])
school = Organization.objects.create(
    slug="school", name="School", channel=Channel.objects.get(slug="main"), limited=False
)
content = Content.objects.create(
    ident="test:lesson", title="Lesson", path="/data/content/files/lesson.zip", **file
)
configuration = Configuration.objects.create(
    organization=school, name="Library", ssid="Library", domain="library", admin_password="admin-password"
)
configuration.contents.add(content)
Host.objects.filter(name="writer-1").update(automatic=True)
print(f"configuration={configuration.pk}")
