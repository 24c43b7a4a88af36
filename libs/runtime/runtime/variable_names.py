"""Names of environment variables that users may not set for programs, since they choose code that the programs run.

Everybody may set ordinary variables; these decide what runs before and beside the program itself.
"""

import re

CODE_VARIABLES = frozenset(
    {
        # The C library and what most programs link
        *("GCONV_PATH", "GETCONF_DIR", "GLIBC_TUNABLES", "LOCPATH", "NIS_PATH", "NLSPATH", "PATH"),
        *("GIO_EXTRA_MODULES", "GTK_MODULES", "MALLOC_CONF", "OPENSSL_CONF", "OPENSSL_ENGINES", "OPENSSL_MODULES"),
        # Shells
        *("BASHOPTS", "BASH_ENV", "BASH_LOADABLES_PATH", "ENV", "FPATH", "IFS", "PROMPT_COMMAND"),
        *("PS0", "PS1", "PS2", "PS4", "SHELL", "SHELLOPTS", "ZDOTDIR"),
        # Node and Bun
        *(
            "NODE_OPTIONS",
            "NODE_PATH",
            "NODE_REPL_EXTERNAL_MODULE",
            "NPM_CONFIG_NODE_OPTIONS",
            "NPM_CONFIG_SCRIPT_SHELL",
        ),
        # Python
        *("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTHONBREAKPOINT", "PYTHONEXECUTABLE", "PYTHONHOME", "PYTHONINSPECT"),
        *("PYTHONPATH", "PYTHONPLATLIBDIR", "PYTHONPYCACHEPREFIX", "PYTHONSTARTUP", "PYTHONUSERBASE", "PYTHONWARNINGS"),
        # Perl, Ruby, PHP, R, Tcl
        *("PERL5DB", "PERL5LIB", "PERL5OPT", "PERLIO", "PERLLIB"),
        *("BUNDLE_GEMFILE", "GEM_HOME", "GEM_PATH", "RUBYLIB", "RUBYOPT", "RUBYSHELL"),
        *("PHPRC", "PHP_INI_SCAN_DIR", "R_ENVIRON", "R_ENVIRON_USER", "R_PROFILE", "R_PROFILE_USER", "TCLLIBPATH"),
        # Java, .NET, Erlang, Go
        *("CLASSPATH", "GRADLE_OPTS", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "MAVEN_OPTS", "_JAVA_OPTIONS"),
        *("DOTNET_ADDITIONAL_DEPS", "DOTNET_SHARED_STORE", "DOTNET_STARTUP_HOOKS", "PSMODULEPATH"),
        *("ERL_AFLAGS", "ERL_FLAGS", "ERL_LIBS", "ERL_ZFLAGS", "GOFLAGS"),
        # Programs that others start
        *("BROWSER", "EDITOR", "LESSCLOSE", "LESSOPEN", "MANPAGER", "PAGER", "SSH_ASKPASS", "SUDO_ASKPASS", "VISUAL"),
        *("GIT_ASKPASS", "GIT_EDITOR", "GIT_EXEC_PATH", "GIT_EXTERNAL_DIFF", "GIT_PAGER", "GIT_PROXY_COMMAND"),
        *("GIT_SEQUENCE_EDITOR", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_TEMPLATE_DIR"),
        *("MAKEFILES", "MAKEFLAGS", "RIPGREP_CONFIG_PATH", "RSYNC_RSH", "RUSTC_WRAPPER", "TAR_OPTIONS"),
    }
)
CODE_PREFIXES = (
    *("BASH_FUNC_", "BUN_", "CORECLR_", "COR_", "DYLD_", "GIT_CONFIG", "JSC_", "LD_"),
    *("LUA_CPATH", "LUA_INIT", "LUA_PATH"),
)
RESERVED = re.compile(
    r"(ANTHROPIC|CLAUDE)_.*|CLAUDECODE|HOME|IS_SANDBOX|PATH|PWD|OLDPWD|SHLVL|E?UID|PPID", re.IGNORECASE
)


def runs_code(name: str) -> bool:
    """Return whether a variable makes programs run other code, in any case: some programs ignore the case."""
    return name.upper() in CODE_VARIABLES or name.upper().startswith(CODE_PREFIXES)


def is_reserved(name: str) -> bool:
    """Return whether the variable of an agent is set by the service, by Claude Code or by the shell itself."""
    return RESERVED.fullmatch(name) is not None
