# SPDX-License-Identifier: MPL-2.0
"""What `quiz gdb` adds to gdb: the symbols of a running kernel's modules.

The addresses are read from the kernel's own list of modules through the debug
information of vmlinux, so it works on a machine that answers nothing any more.
Modules that are loaded later are noticed by a breakpoint in the kernel's loader.

quiz_modules.know() and quiz_modules.look_in() say where files are; the command
quiz-modules loads (again) what the machine has.
"""

import os

import gdb

MODULES_MAX = 4096
SECTIONS_MAX = 512
# Sections whose symbols somebody may ask for; the others only cost time.
SECTIONS = (".data", ".data..read_mostly", ".rodata", ".bss", ".init.text", ".exit.text", ".text.unlikely",
            ".text.hot", ".noinstr.text", ".data.rel.ro")


def offset_of(type_name, field):
    for f in gdb.lookup_type(type_name).fields():
        if f.name == field:
            return f.bitpos // 8
    raise gdb.error("%s has no %s" % (type_name, field))


def has_field(value, field):
    return any(f.name == field for f in value.type.strip_typedefs().fields())


class Modules:
    def __init__(self):
        self.files = {}  # name: path
        self.folders = []
        self.loaded = {}  # name: address of .text
        self.breakpoint = None

    def know(self, name, path):
        self.files[name.replace("-", "_")] = path

    def look_in(self, folder, depth=16):
        self.folders.append((folder, depth))

    def file_of(self, name):
        while self.folders:
            folder, depth = self.folders.pop(0)
            for top, inner, names in os.walk(folder):
                if top[len(folder):].count(os.sep) >= depth:
                    inner.clear()
                for n in names:
                    stem, dot, rest = n.partition(".ko")
                    if dot and rest in ("", ".debug"):
                        self.files.setdefault(stem.replace("-", "_"), os.path.join(top, n))
        return self.files.get(name.replace("-", "_"))

    def all(self):
        """Of the kernel's list, as struct module."""
        head = gdb.parse_and_eval("&modules")
        module = gdb.lookup_type("struct module").pointer()
        offset = offset_of("struct module", "list")
        node = head["next"]
        for _ in range(MODULES_MAX):
            if int(node) in (int(head), 0):
                return
            yield gdb.Value(int(node) - offset).cast(module).dereference()
            node = node["next"]

    def sections(self, module):
        """{name: address} from what the kernel keeps for /sys/module/NAME/sections."""
        found = {}
        try:
            attrs = module["sect_attrs"]
            if not int(attrs):
                return found
            attrs = attrs.dereference()
            n = int(attrs["nsections"]) if has_field(attrs, "nsections") else SECTIONS_MAX
            for i in range(min(n, SECTIONS_MAX)):
                attr = attrs["attrs"][i]
                if has_field(attr, "battr"):  # struct module_sect_attr
                    name, address = attr["battr"]["attr"]["name"], int(attr["address"])
                else:  # struct bin_attribute since 6.14; the list ends with an empty one
                    name, address = attr["attr"]["name"], int(attr["private"])
                if not int(name):
                    break
                found[name.string()] = address
        except gdb.error:
            pass
        return found

    def text_of(self, module):
        for path in (("mem", 0, "base"), ("core_layout", "base"), ("module_core",)):
            try:
                value = module
                for step in path:
                    value = value[step]
                return int(value)
            except gdb.error:
                continue
        return 0

    def load(self, module):
        """True when its symbols are known now."""
        name = module["name"].string()
        sections = self.sections(module)
        text = sections.get(".text") or self.text_of(module)
        path = self.file_of(name)
        if not path or not text:
            return False
        if self.loaded.get(name) == text:
            return True
        if name in self.loaded:
            gdb.execute("remove-symbol-file -a 0x%x" % self.loaded[name], to_string=True)
        command = 'add-symbol-file "%s" 0x%x' % (path, text)
        for section in SECTIONS:
            if section in sections:
                command += " -s %s 0x%x" % (section, sections[section])
        gdb.execute(command, to_string=True)
        self.loaded[name] = text
        return True

    def load_all(self):
        known, unknown = [], []
        for module in self.all():
            (known if self.load(module) else unknown).append(module["name"].string())
        return known, unknown

    def watch(self):
        if not self.breakpoint:
            self.breakpoint = Loader("do_init_module", internal=True)


class Loader(gdb.Breakpoint):
    def stop(self):
        quiz_modules.load(gdb.selected_frame().read_var("mod").dereference())
        return False


class Command(gdb.Command):
    """quiz-modules: load the symbols of the modules that the machine has, at their addresses."""

    def __init__(self):
        super().__init__("quiz-modules", gdb.COMMAND_DATA)

    def invoke(self, arg, from_tty):
        try:
            known, unknown = quiz_modules.load_all()
            quiz_modules.watch()
        except (gdb.error, gdb.MemoryError) as e:
            # No debug information, or a machine that has not got its page tables yet.
            print("quiz: no list of modules can be read (yet): %s" % e)
            try:
                quiz_modules.watch()
            except gdb.error:
                pass
            return
        if known:
            print("quiz: symbols of modules: %s" % " ".join(known))
        if unknown:
            print("quiz: no file of modules: %s" % " ".join(unknown))


quiz_modules = Modules()
Command()
