"""The control group that decides about a process's CPU time, its limit and what the limit cost, on copies of the
kernel's files."""

import pytest
from waitbench.base import kernel
from waitbench.observe import cgroups


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Writes files below a folder that plays / and returns the group of this process in them."""
    monkeypatch.setattr(kernel, "ROOT", tmp_path)

    def write(membership, mounts, **files):
        (tmp_path / "proc/self").mkdir(parents=True)
        (tmp_path / "proc/self/cgroup").write_text(membership)
        (tmp_path / "proc/self/mountinfo").write_text(mounts)
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("-", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return cgroups.group_of()

    return write


def put(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".", 1)).write_text(text)


V2 = "30 22 0:27 / /sys rw,relatime shared:4 - cgroup2 cgroup2 rw\n"


def test_version_2_and_the_tightest_limit_around(machine, tmp_path):
    put(tmp_path / "sys", cgroup_controllers="cpuset cpu io\n")
    put(
        tmp_path / "sys/a.slice",
        cpu_max="150000 100000\n",
        cpu_stat="nr_throttled 2\nthrottled_usec 1500000\n",
    )
    put(
        tmp_path / "sys/a.slice/b.scope",
        cpu_max="max 100000\n",
        cpu_stat="throttled_usec 0\n",
    )
    group = machine("0::/a.slice/b.scope\n", V2)
    assert (group.version, group.path) == (2, tmp_path / "sys/a.slice/b.scope") and not group.is_root
    assert [folder.name for folder in group.chain] == ["b.scope", "a.slice", "sys"]
    assert cgroups.limit(group) == 1.5
    assert cgroups.throttled_s(group) == 1.5


def test_version_1_in_a_container(machine, tmp_path):
    put(
        tmp_path / "cpu",
        cpu_cfs_quota_us="50000\n",
        cpu_cfs_period_us="100000\n",
        cpu_stat="nr_throttled 74\nthrottled_time 250000000\n",
    )
    for name, text in (("cpu.cfs_quota_us", "50000"), ("cpu.cfs_period_us", "100000")):
        (tmp_path / "cpu" / name).write_text(text)
    mounts = "9 8 0:2 /docker/1 /cpuset ro - cgroup cgroup rw,cpuset\n"
    mounts += "31 30 0:28 /docker/1 /cpu ro - cgroup cgroup rw,cpuacct,cpu\n"
    group = machine("3:cpuset:/docker/1\n1:cpuacct,cpu:/docker/1\n0::/\n", mounts)
    assert group == cgroups.Group(1, tmp_path / "cpu", tmp_path / "cpu") and not group.is_root
    assert cgroups.limit(group) == 0.5
    assert cgroups.throttled_s(group) == 0.25


def test_a_mount_point_with_a_space(machine, tmp_path):
    put(tmp_path / "a b", cgroup_controllers="cpu")
    assert machine("0::/x\n", V2.replace("sys", "a\\040b")).path == tmp_path / "a b/x"


def test_version_2_without_the_controller_decides_nothing(machine, tmp_path):
    put(tmp_path / "sys", cgroup_controllers="hugetlb\n")
    assert machine("0::/x\n", V2) is None


def test_files_that_say_nothing_are_no_limit(machine, tmp_path):
    put(tmp_path / "sys", cgroup_controllers="cpu\n")
    group = machine("0::/gone\n", V2)
    assert group is not None
    assert cgroups.limit(group) is None and cgroups.throttled_s(group) is None


def test_no_groups_at_all(tmp_path, monkeypatch):
    monkeypatch.setattr(kernel, "ROOT", tmp_path)
    assert cgroups.group_of() is None


@pytest.mark.parametrize("mark, is_root", [(None, True), ("cgroup.type", False)])
def test_the_root_of_a_container_is_not_the_machines(machine, tmp_path, mark, is_root):
    put(tmp_path / "sys", cgroup_controllers="cpu")
    if mark:
        (tmp_path / "sys" / mark).write_text("domain\n")
    assert machine("0::/\n", V2).is_root is is_root


def test_the_root_of_version_1(machine, tmp_path):
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/release_agent").write_text("")
    assert machine("1:cpu:/\n", "31 30 0:28 / /cpu rw - cgroup cgroup rw,cpu\n").is_root
