#!/usr/bin/env python3
"""The Debian packages of a build, and programs against what they install. Nothing is
installed here: packages are unpacked. In a real Debian: ports/raspberry-pi/check-packages.

  packages_test.py BUILD_DIR CMAKE CXX HIGHWAY_VERSION
"""
import gzip
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
from random import Random

SOURCE = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = SOURCE / "tests/runtime/readme_test.cc"
WITH_MODELS = SOURCE / "tests/packaging/models.cc"
PUBLIC = [SOURCE / f"{folder}/include/temper" for folder in ("runtime", "models", "ports/files")]
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
PACKAGED = SOURCE / "ports/raspberry-pi"


def run(*command, expect=0, **more):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=300, **more)
    if done.returncode != expect:
        raise AssertionError(f"exit {done.returncode}: {' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}")
    return done.stdout + done.stderr


def tool(name):
    path = shutil.which(name)
    if path is None:
        raise AssertionError(f"{name} is not installed: run ./setup")
    return path


def package_names(depends):
    return {part.split()[0] for part in depends.split(",")}


class Packages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tmp = pathlib.Path(tempfile.mkdtemp(prefix="temper-packages-"))
        run("sh", "-c", 'umask 077 && exec "$0" "$@"', pathlib.Path(CMAKE).with_name("cpack"), "-B", cls.tmp / "out",
            cwd=BUILD)
        cls.debs = {}
        for deb in (cls.tmp / "out").glob("*.deb"):
            name = run("dpkg-deb", "-f", deb, "Package").strip()
            cls.debs[name] = deb
            run("dpkg-deb", "-x", deb, cls.tmp / "root")
        cls.temper = cls.tmp / "root/usr/bin/temper"
        cls.libdir = next((cls.tmp / "root/usr/lib").glob("*/libtemper.a")).parent

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.tmp)

    def field(self, package, name):
        return run("dpkg-deb", "-f", self.debs[package], name).strip()

    def test_lintian_finds_no_errors(self):
        self.assertEqual(set(self.debs), {"temper", "libtemper-dev"})
        run(tool("lintian"), "--allow-root", "--fail-on", "error", *self.debs.values())

    def test_name_and_version(self):
        architecture = run("dpkg", "--print-architecture").strip()
        for name, deb in self.debs.items():
            version = self.field(name, "Version")
            self.assertRegex(version, r"^\d+\.\d+\.\d+\+[a-z]+[\d.]+$")
            self.assertEqual(deb.name, f"{name}_{version}_{architecture}.deb")

    def test_depends(self):
        """What dpkg-shlibdeps says of the same program, and Highway within one minor version."""
        work = self.tmp / "shlibdeps"
        (work / "debian").mkdir(parents=True)
        (work / "debian/control").write_text("Source: temper\n\nPackage: temper\nArchitecture: any\n")
        expected = run("dpkg-shlibdeps", "-O", self.temper, cwd=work)
        expected = re.search(r"shlibs:Depends=(.*)", expected).group(1)
        depends = self.field("temper", "Depends")
        self.assertEqual(package_names(depends), package_names(expected) | {"adduser"})
        minor = int(HIGHWAY.split(".")[1])
        highway = next(n for n in package_names(depends) if n.startswith("libhwy"))
        for package, library in (("temper", highway), ("libtemper-dev", "libhwy-dev")):
            self.assertIn(f"{library} (>= {HIGHWAY})", self.field(package, "Depends"))
            self.assertIn(f"{library} (<< 1.{minor + 1})", self.field(package, "Depends"))

    def test_everyone_may_read(self):
        for deb in self.debs.values():
            for line in run("dpkg-deb", "-c", deb).splitlines():
                self.assertRegex(line, r"^(d|-)rw(x|-)r-(x|-)r-(x|-) root/root ")
                self.assertTrue(line[0] == "-" or line.startswith("drwxr-xr-x"), line)

    def test_only_public_headers(self):
        installed = {p.name for p in (self.tmp / "root/usr/include").rglob("*.h")}
        self.assertEqual(installed, {p.name for folder in PUBLIC for p in folder.glob("*.h")})
        self.assertEqual([p.name for p in (self.tmp / "root/usr/include").iterdir()], ["temper"])

    def test_the_command(self):
        version = self.field("temper", "Version").split("+")[0]
        self.assertIn(version, run(self.temper, "--version"))
        run(self.temper, "doctor")
        for model in (self.tmp / "root/usr/share/temper").glob("*.safetensors"):
            run(self.temper, "inspect", model)
        self.assertTrue(list((self.tmp / "root/usr/share/temper").glob("*.safetensors")))

    def test_the_man_page_is_the_commands(self):
        page = gzip.decompress((self.tmp / "root/usr/share/man/man1/temper.1.gz").read_bytes()).decode()
        self.assertIn(".SS doctor\n", page)
        self.assertEqual(page, run(self.temper, "help", "--man"))

    def with_cmake(self, name, program, library):
        """`program` built by CMake against what the package installs."""
        build = self.tmp / name
        run(CMAKE, "-S", SOURCE / "tests/packaging/consumer", "-B", build, f"-DPROGRAM={program}",
            f"-DLIBRARY={library}", f"-DCMAKE_PREFIX_PATH={self.tmp / 'root/usr'}", f"-DCMAKE_CXX_COMPILER={CXX}",
            f"-DCMAKE_CXX_FLAGS={' '.join(STRICT)}", "-DCMAKE_CXX_STANDARD=17")  # temper's own 20 wins
        run(CMAKE, "--build", build)
        return build / "consumer"

    def with_pkg_config(self, name, program, package):
        """The same by the flags of pkg-config; also returns them."""
        pc = self.libdir / "pkgconfig"
        own = run("pkg-config", "--variable=pcfiledir", "libhwy").strip()
        flags = run("pkg-config", "--cflags", "--libs", package,
                    env={**os.environ, "PKG_CONFIG_LIBDIR": f"{pc}:{own}"}).split()
        # The language's version comes with the flags: no option of ours names it.
        run(CXX, *STRICT, f"-I{self.tmp / 'root/usr/include'}", program, "-o", self.tmp / name, f"-L{self.libdir}",
            *flags)
        return self.tmp / name, flags

    def test_consumer_with_cmake(self):
        run(self.with_cmake("cmake", PROGRAM, "temper::temper"))

    def test_consumer_with_pkg_config(self):
        program, flags = self.with_pkg_config("with-pkg-config", PROGRAM, "temper")
        self.assertIn("-ltemper", flags)
        self.assertIn("-lhwy", flags)
        # A program without files links no more than the runtime.
        self.assertNotIn("-lmd", flags)
        run(program)

    def data_and_model(self):
        """96 pictures of 8x8 in 4 classes as IDX files, and a model of the command's."""
        folder = self.tmp / "data"
        if not folder.exists():
            folder.mkdir()
            random = Random(1)
            labels = bytes(i % 4 for i in range(96))
            pixels = bytes(random.randrange(90) + 60 * (p // 16 == label) for label in labels for p in range(64))
            (folder / "train-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 0x803, 96, 8, 8) + pixels)
            (folder / "train-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, 96) + labels)
            run(self.temper, "train", "--model", "mlp?hidden=16", "--data", f"idx:{folder}", "--epochs", "3", "--threads",
                "1", "--quiet", "--out", self.tmp / "run")
        return folder, self.tmp / "run/weights/last.safetensors"

    def accuracy(self, model, data):
        return json.loads(run(self.temper, "eval", model, "--data", f"idx:{data}?split=train", "--json"))["accuracy"]

    def model_goes_there_and_back(self, program, out):
        data, model = self.data_and_model()
        counts = run(program, model, data / "train-images-idx3-ubyte", data / "train-labels-idx1-ubyte", out)
        before, after = (int(n) for n in re.findall(r"(?:before|after) (\d+)", counts))
        self.assertAlmostEqual(before / 96, self.accuracy(model, data))
        self.assertAlmostEqual(after / 96, self.accuracy(out, data))
        self.assertGreater(after, 48)
        self.assertNotEqual(out.read_bytes(), model.read_bytes())
        run(self.temper, "inspect", out)
        run(self.temper, "finetune", out, "--data", f"idx:{data}", "--epochs", "1", "--quiet", "--out",
            out.with_suffix(".run"))

    def test_models_with_cmake(self):
        self.model_goes_there_and_back(self.with_cmake("models-cmake", WITH_MODELS, "temper::models"),
                                       self.tmp / "cmake.safetensors")

    def test_models_with_pkg_config(self):
        program, flags = self.with_pkg_config("models-pkg-config", WITH_MODELS, "temper-models")
        self.assertLess(flags.index("-ltemper-models"), flags.index("-ltemper"))
        self.model_goes_there_and_back(program, self.tmp / "pkg-config.safetensors")

    def test_another_highway_is_refused(self):
        fake = self.tmp / "fake/lib/cmake/hwy"
        fake.mkdir(parents=True)
        (fake / "hwy-config.cmake").write_text("add_library(hwy::hwy INTERFACE IMPORTED)\n")
        (fake / "hwy-config-version.cmake").write_text(
            'set(PACKAGE_VERSION 1.99.0)\nset(PACKAGE_VERSION_COMPATIBLE TRUE)\n')
        text = run(CMAKE, "-S", SOURCE / "tests/packaging/consumer", "-B", self.tmp / "refused", f"-DPROGRAM={PROGRAM}",
                   f"-DCMAKE_PREFIX_PATH={self.tmp / 'root/usr'}", f"-Dhwy_DIR={fake}",
                   f"-DCMAKE_CXX_COMPILER={CXX}", expect=1)
        self.assertIn("1.99.0", " ".join(text.split()))

    def test_install_with_a_prefix(self):
        prefix = self.tmp / "prefix"
        run(CMAKE, "--install", BUILD, "--prefix", prefix)
        run(prefix / "bin/temper", "--version")
        pc = next(prefix.rglob("temper.pc"))
        self.assertIn(f"prefix={prefix}\n", pc.read_text())
        self.assertEqual([p for p in prefix.rglob("*.service")], [])
        self.assertEqual((prefix / "share/man/man1/temper.1").read_bytes(), (SOURCE / "docs/temper.1").read_bytes())
        self.pages_are_whole(prefix / "share/doc/temper")

    def pages_are_whole(self, folder):
        """Every page is there, and every link of a page leads to a file that is there, too."""
        installed = {str(p.relative_to(folder)) for p in folder.rglob("*.md")}
        self.assertLessEqual({"README.md", "CHANGELOG.md"} | {f"docs/{p.name}" for p in (SOURCE / "docs").glob("*.md")},
                             installed)
        for page in folder.rglob("*.md"):
            for link in re.findall(r"\]\(([^)#:]+)[^):]*\)", page.read_text()):
                self.assertTrue((page.parent / link).exists(), f"{page}: {link}")

    def test_pages(self):
        self.pages_are_whole(self.tmp / "root/usr/share/doc/temper")

    def test_systemd_unit(self):
        unit = next((self.tmp / "root").rglob("temper@.service"))
        text = unit.read_text()
        codes = dict(re.findall(r"(kExit\w+) = (\d+)", (SOURCE / "ports/cli/exit_codes.h").read_text()))
        for setting in ("SuccessExitStatus", "RestartForceExitStatus"):
            self.assertIn(f"\n{setting}={codes['kExitResumable']}\n", text)
        for setting in ("Nice=10", "IOSchedulingClass=idle", "ExecStart=/usr/bin/temper resume /var/lib/temper/runs/%i"):
            self.assertIn(f"\n{setting}\n", text)
        if shutil.which("systemd-analyze") is None:
            self.skipTest("systemd-analyze is not installed")
        # The program and the user are not installed on this machine.
        text = text.replace("=/usr/bin/temper", f"={self.temper}").replace("User=temper", "User=root")
        copy = self.tmp / "temper@.service"
        copy.write_text(text.replace("Group=temper", "Group=root"))
        self.assertEqual(run("systemd-analyze", "verify", "--man=no", copy), "")

    def test_maintainer_scripts(self):
        for name in ("postinst", "prerm", "postrm"):
            run("sh", "-n", PACKAGED / "debian" / name)
        controls = self.tmp / "control"
        run("dpkg-deb", "-e", self.debs["temper"], controls)
        self.assertEqual((controls / "postinst").read_bytes(), (PACKAGED / "debian/postinst").read_bytes())


if __name__ == "__main__":
    BUILD, CMAKE, CXX, HIGHWAY = sys.argv[1:5]
    del sys.argv[1:5]
    unittest.main(verbosity=2)
