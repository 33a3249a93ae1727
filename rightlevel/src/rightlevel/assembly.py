"""Builds one frozen Platform and closes it in reverse."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, cast

import msgspec

from flatwater.alerts import Delivery
from flatwater.cache import Cache
from flatwater.clock import Clock, SystemClock
from flatwater.forwarded import TrustedProxies
from flatwater.invalidation import Invalidation
from flatwater.monitors import weigh_alone
from flatwater.pool import Database, Limits
from flatwater.supervisor import Supervisor
from flatwater.valkey import SharedCache
from rightlevel.database.errors import FolderInUse
from rightlevel.database.migrations import migrate
from rightlevel.database.server import AttachedServer, Say, Server, open_server
from rightlevel.database.sizing import backend_bytes, prepared_statements
from rightlevel.operations.clean_up import CleanUp
from rightlevel.operations.device_key import DeviceNames, open_device_names
from rightlevel.operations.doctor_desk import DoctorDesk
from rightlevel.operations.exporting import Exports, open_exports
from rightlevel.operations.file_folders import archive_folder, import_folder
from rightlevel.operations.form_owners import FormOwners, open_form_owners
from rightlevel.operations.hosts import Hosts
from rightlevel.operations.import_runner import ImportRunner
from rightlevel.operations.loops import LoopReport
from rightlevel.operations.memory_line import memory_line, telling
from rightlevel.operations.memory_plan import hashing_slots, require_budget
from rightlevel.operations.months import Months
from rightlevel.operations.own_numbers import Telling, numbers_of
from rightlevel.operations.photo_album import open_album, open_photo_links, stores_of
from rightlevel.operations.readings import Readings
from rightlevel.operations.replica import open_replica
from rightlevel.operations.room import EVERY_S, Room
from rightlevel.operations.shared_store import open_shared_store
from rightlevel.operations.upkeep import SeenSessions, Upkeep
from rightlevel.operations.vitals import Vitals, watching
from rightlevel.operations.watch import alerting, channels_of, declare_metrics
from rightlevel.operations.webhook_sending import telling_webhooks
from rightlevel.programme.accounts import PasswordHasher, Scopes
from rightlevel.programme.exchange import QUEUE
from rightlevel.programme.exercises import ensure_first_exercises
from rightlevel.programme.forms import ensure_first_form
from rightlevel.programme.languages import KeptLanguages, learn_languages
from rightlevel.programme.photos import Album, PhotoLinks
from rightlevel.programme.scales import KeptScales, learn_scales
from rightlevel.programme.time_zone import ProgrammeClock, learn_time_zone
from rightlevel.programme.tools import ensure_first_tools
from rightlevel.settings import Settings

FIRST_FORM_S = 10.0
APPLICATION = "rightlevel"
COMMAND = "rightlevel command"
"""By which the doctor tells a command's connections from the service's."""


class Platform(msgspec.Struct, frozen=True):
    """Everything a running platform works with."""

    settings: Settings
    server: Server
    database: Database
    clock: ProgrammeClock
    passwords: PasswordHasher
    seen_sessions: SeenSessions
    imports: ImportRunner
    scopes: Scopes
    invalidation: Invalidation
    clean_up: CleanUp
    hosts: Hosts
    device_names: DeviceNames
    vitals: Vitals
    readings: Readings
    delivery: Delivery
    caches: tuple[Cache[object], ...]
    second_levels: tuple[SharedCache[Any], ...]
    desk: DoctorDesk
    album: Album
    photo_links: PhotoLinks
    form_owners: FormOwners
    exports: Exports
    supervisor: Supervisor
    proxies: TrustedProxies
    languages: KeptLanguages
    scales: KeptScales
    room: Room


def limits_of(settings: Settings, *, is_private: bool = False) -> Limits:
    """What the pool and its sessions may take, as the operator chose; what their connections keep counts where the server is ours."""
    kept = prepared_statements(settings.memory_bytes) if is_private else Limits().prepared_statements
    return Limits(
        prepared_statements=kept,
        backend_bytes=backend_bytes(settings.memory_bytes) if is_private else None,
        connections=settings.pool_connections,
        waiting=settings.pool_waiting,
        connect_s=settings.connect_s,
        acquire_s=settings.acquire_s,
        statement_s=settings.statement_s,
        idle_in_transaction_s=settings.idle_in_transaction_s,
        lock_s=settings.lock_s,
        idle_close_s=settings.idle_close_s,
        network_silence_s=settings.network_silence_s,
    )


@asynccontextmanager
async def open_platform(
    settings: Settings,
    *,
    server: Server | None = None,
    clock: Clock | None = None,
    say: Say | None = None,
    is_service: bool = True,
) -> AsyncIterator[Platform]:
    """A platform whose server runs, whose schema is current and whose pool is open; all closed again after.

    A server handed in is already running and is left running. A command is no service: it takes no uploaded files. *Errors*: BudgetCannotHold, DatabaseProblem
    (FilesElsewhere among them), DatabaseUnavailable, LimitsNotHeld.
    """
    async with AsyncExitStack() as opened:
        clock = ProgrammeClock(clock or SystemClock())
        supervisor = await opened.enter_async_context(Supervisor(clock))
        is_given = server is not None
        if server is None:
            server = open_server(
                settings.data_folder,
                settings.memory_bytes,
                os.environ,
                say,
                supervisor=supervisor,
                has_pooler=settings.pooler != "none",
            )
        if is_service:
            require_budget(settings.memory_bytes, is_private=server.is_private)
        if not is_given:
            server.start()
            opened.callback(server.stop)
        migrate(server.conninfo, server.service_role)
        limits = limits_of(settings, is_private=server.is_private)
        # A command is a deed of whoever may read the folder: it works as the owner, the service as a role that reaches only rows.
        conninfo = server.service_conninfo if is_service else server.conninfo
        name = APPLICATION if is_service else COMMAND
        has_pooler = settings.pooler != "none" and not server.is_private
        database = Database(
            conninfo,
            limits=limits,
            application_name=name,
            clock=clock,
            # A command goes past the pooler, and tells the service in the way that it hears.
            announce_by="outbox" if has_pooler else "notify",
            pooler=has_pooler and is_service,
            pooler_keeps_statements=settings.pooler == "keeps_statements",
        )
        await opened.enter_async_context(database)
        await database.run(partial(learn_time_zone, clock=clock), deadline_s=FIRST_FORM_S, idempotent=True)
        languages = KeptLanguages()
        scales = KeptScales()
        await database.run(partial(learn_languages, kept=languages), deadline_s=FIRST_FORM_S, idempotent=True)
        await database.run(partial(learn_scales, kept=scales), deadline_s=FIRST_FORM_S, idempotent=True)
        passwords = PasswordHasher(hashing_slots(settings.memory_bytes))
        opened.callback(passwords.close)
        album = open_album(database, settings, clock)
        seen_sessions, clean_up = SeenSessions(), CleanUp(database, clock, album)
        device_names = await open_device_names(database)
        await database.run(ensure_first_form, deadline_s=FIRST_FORM_S, idempotent=True)
        await database.run(ensure_first_tools, deadline_s=FIRST_FORM_S, idempotent=True)
        await database.run(ensure_first_exercises, deadline_s=FIRST_FORM_S, idempotent=True)
        # A private server has one host, and no other to agree with about files.
        signs = () if server.is_private else stores_of(settings, clock)
        hosts = Hosts(database, clock, port=settings.port, signs=signs)
        imports = ImportRunner(
            database,
            clock,
            import_folder(settings),
            supervisor,
            owner=hosts.id,
            hosts=lambda: len(hosts.known),
            gone=lambda: hosts.predecessors,
            is_alone=server.is_private,
        )
        store = await opened.enter_async_context(open_shared_store(settings.valkey_url if is_service else ""))
        vitals = await opened.enter_async_context(
            watching(
                database,
                server,
                clock,
                settings.memory_bytes,
                supervisor,
                is_service=is_service,
                is_busy=lambda: imports.is_at_work,
                store=store,
            )
        )
        scopes, invalidation = Scopes(clock), Invalidation(database, supervisor=supervisor)
        second_levels = () if store is None else (scopes.share(store),)
        invalidation.watch(second_levels[0] if second_levels else scopes.cache)
        invalidation.hear(QUEUE, imports.hear)
        caches = (cast("Cache[object]", scopes.cache),)
        readings = Readings(database, server, caches, vitals.memory, lambda: vitals.shedder.turning_away_s)
        delivery = Delivery(channels_of(settings), supervisor=supervisor)
        declare_metrics(
            vitals.metrics,
            database,
            vitals=vitals,
            readings=readings,
            delivery=delivery,
            caches=caches,
            supervisor=supervisor,
            second_levels=second_levels,
        )
        own = Telling(settings.data_folder, database, vitals.budgets.growth.standing, clock)
        if is_service:
            opened.push_async_callback(hosts.leave)
            await hosts.arrive()
            await opened.enter_async_context(
                telling(partial(_memory_line, settings, vitals, readings, caches), own, supervisor)
            )
            await opened.enter_async_context(invalidation)
            await opened.enter_async_context(alerting(readings, hosts, delivery, clock, supervisor))
            months = Months(
                database,
                clock,
                archive_folder(settings),
                audit_months=settings.audit_months,
                is_archived=settings.audit_archive,
            )
            upkeep = Upkeep(
                database,
                clock,
                seen=seen_sessions,
                clean_up=clean_up,
                readings=readings,
                months=months,
                report=LoopReport(database, supervisor, clock),
                hosts=hosts,
            )
            await opened.enter_async_context(upkeep.running(supervisor))
            await opened.enter_async_context(
                telling_webhooks(database, clock, hosts, supervisor, settings.webhooks_internal)
            )
            await imports.start()
            opened.push_async_callback(imports.stop)
            require_budget(
                settings.memory_bytes,
                is_private=server.is_private,
                started_bytes=vitals.memory.owned_bytes(),
            )
        room = Room(settings.memory_bytes, partial(_weigh_all, server), database)
        if is_service:
            beside = supervisor.every("memory room", room.look, period_s=EVERY_S)
            opened.push_async_callback(beside.stop)
        replica = await opened.enter_async_context(
            open_replica(database, settings.replica_url if is_service else "", limits, clock)
        )
        desk = DoctorDesk(
            server.conninfo,
            database.statistics,
            partial(numbers_of, settings.data_folder),
            is_private=server.is_private,
            room=room.beside,
        )
        opened.push_async_callback(desk.close)
        yield Platform(
            settings=settings,
            server=server,
            database=database,
            clock=clock,
            passwords=passwords,
            seen_sessions=seen_sessions,
            imports=imports,
            scopes=scopes,
            invalidation=invalidation,
            clean_up=clean_up,
            hosts=hosts,
            device_names=device_names,
            vitals=vitals,
            readings=readings,
            delivery=delivery,
            caches=caches,
            second_levels=second_levels,
            desk=desk,
            album=album,
            photo_links=await open_photo_links(database),
            form_owners=await open_form_owners(database),
            exports=await open_exports(database, clock, replica),
            supervisor=supervisor,
            proxies=TrustedProxies(settings.trusted_proxies),
            languages=languages,
            scales=scales,
            room=room,
        )


def _weigh_all(server: Server) -> int | None:
    return weigh_alone([os.getpid(), *server.process_ids()])


def _memory_line(
    settings: Settings, vitals: Vitals, readings: Readings, caches: tuple[Cache[object], ...]
) -> str:
    latest = readings.latest
    return memory_line(
        settings.memory_bytes,
        vitals.process.latest(),
        latest.database_bytes if latest else None,
        latest.activity.connections if latest and latest.activity else None,
        garbage=vitals.garbage.standing(),
        shedding=vitals.shedder.standing(),
        caches=[each.statistics() for each in caches],
        endpoints=vitals.budgets.growth.standing(),
    )


@asynccontextmanager
async def attach_or_open(settings: Settings, *, say: Say | None = None) -> AsyncIterator[Platform]:
    """The platform of a data folder for one command: on the running server where one runs, else on its own for a while."""
    try:
        async with open_platform(settings, say=say, is_service=False) as platform:
            yield platform
            return
    except FolderInUse:
        attached = AttachedServer(settings.data_folder)
    async with open_platform(settings, server=attached, say=say, is_service=False) as platform:
        yield platform
