"""Keyturn's own themes. Everything else uses their variables, never a colour."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from textual.theme import Theme

DARK, LIGHT, ANSI = "keyturn-dark", "keyturn-light", "keyturn-ansi"


def themes() -> tuple[Theme, ...]:
    return (
        Theme(
            name=DARK,
            primary="#7aa2c8",
            secondary="#8fa6b8",
            accent="#d0a86a",
            success="#8fbf7f",
            warning="#dcb667",
            error="#e2777a",
            foreground="#d5d9de",
            background="#15181c",
            surface="#1e2329",
            panel="#252b32",
            dark=True,
            variables={
                "block-cursor-foreground": "#ffffff",
                "block-cursor-background": "#31506e",
                "block-cursor-text-style": "none",
                "border": "#7aa2c8",
                "border-blurred": "#3a424c",
                "footer-key-foreground": "#d0a86a",
                "input-selection-background": "#7aa2c8 40%",
                "button-focus-text-style": "b reverse",
            },
        ),
        Theme(
            name=LIGHT,
            primary="#2c5f8f",
            secondary="#5b7184",
            accent="#8a5a10",
            success="#2f7030",
            warning="#8a6100",
            error="#b3262c",
            foreground="#22272d",
            background="#f6f5f1",
            surface="#ebe9e3",
            panel="#e1ded6",
            dark=False,
            variables={
                "block-cursor-foreground": "#ffffff",
                "block-cursor-background": "#2c5f8f",
                "block-cursor-text-style": "none",
                "border": "#2c5f8f",
                "border-blurred": "#b9b5aa",
                "footer-key-foreground": "#7d500c",
                "foreground-muted": "#59616a",
                "button-focus-text-style": "b reverse",
            },
        ),
        # The terminal's own sixteen colours, background included: half the bytes, and what the user chose.
        Theme(
            name=ANSI,
            ansi=True,
            primary="ansi_blue",
            secondary="ansi_cyan",
            accent="ansi_cyan",
            success="ansi_green",
            warning="ansi_yellow",
            error="ansi_red",
            foreground="ansi_default",
            background="ansi_default",
            surface="ansi_default",
            panel="ansi_default",
            boost="ansi_default",
            dark=True,
            variables={
                "ansi-background": "ansi_black",
                "ansi-foreground": "ansi_white",
                "block-cursor-foreground": "ansi_default",
                "block-cursor-background": "ansi_default",
                "block-cursor-text-style": "reverse",
                "block-cursor-blurred-text-style": "bold",
                "border": "ansi_blue",
                "border-blurred": "ansi_bright_black",
                "footer-key-foreground": "ansi_cyan",
                "input-cursor-text-style": "reverse",
                "button-focus-text-style": "b reverse",
                "scrollbar-background": "ansi_default",
                "scrollbar-background-hover": "ansi_default",
                "scrollbar-background-active": "ansi_default",
            },
        ),
    )


def default_theme(environ: Mapping[str, str], known: Collection[str]) -> str:
    """TEXTUAL_THEME when it names a theme; over SSH the terminal's own palette; light where the terminal says so."""
    if (chosen := environ.get("TEXTUAL_THEME")) in known and chosen is not None:
        return chosen
    if any(environ.get(name) for name in ("SSH_CONNECTION", "SSH_TTY", "SSH_CLIENT")):
        return ANSI
    # rxvt, Konsole and others: "foreground;background", by number of the palette; 7 and 15 are white.
    return LIGHT if environ.get("COLORFGBG", "").rpartition(";")[2] in ("7", "15") else DARK
