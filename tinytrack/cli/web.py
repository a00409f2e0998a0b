"""The command ``web``: the page that opens without a server."""

from argparse import Namespace


def web(args: Namespace) -> None:
    from ..web.build import build_page

    page, size = build_page(args.out, print)
    print(f"wrote the page, {size / 1e6:.1f} MB: open {page} in a browser, or copy the folder to any web server")
