"""`cvops project`: what teams declared of their fleets."""

import click

from cvops.cli.context import Context, command, page, plain_table
from cvops.cli.main import Commands


@click.group(cls=Commands, prefix="project.")
def project() -> None:
    """See projects, and what applying a file would change."""


@project.command("list")
@command
def list_(context: Context) -> None:
    """Show every project that was applied."""
    with context.client() as client:
        found = client.labeling.projects()

    def show() -> None:
        table = plain_table("project", "revision", "applied (UTC)", "task", "classes", "recipe")
        for each in found:
            at = each.updated_at.ToDatetime().strftime("%Y-%m-%d %H:%M:%S")
            classes = ", ".join(each.classes) or "of the model"
            row = (each.project, str(each.revision), at, each.task or "detect", classes, each.training.recipe or "-")
            table.add_row(*row)
        page().print(table)

    context.answer(
        [
            {
                "project": each.project,
                "revision": each.revision,
                "updated_at": each.updated_at.ToJsonString(),
                "task": each.task or "detect",
                "classes": list(each.classes),
            }
            for each in found
        ],
        show,
    )
