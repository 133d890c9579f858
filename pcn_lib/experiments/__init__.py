"""One study per chapter: a preset in, a record out.

``preset(profile, **overrides)`` gives the settings, ``run(settings)`` measures; each study lives in the module of
its chapter's stem, ``pcn_lib.experiments.<stem>``.
"""
