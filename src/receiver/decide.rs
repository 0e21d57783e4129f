//! What becomes of the reports of one transaction: which are new, which came before, which are refused. Called by
//! [`super::writer`] within the transaction, and changes nothing outside of it: what is to be remembered comes back.

use std::collections::HashMap;
use std::sync::Arc;

use super::disk::{self, Tables};
use super::report::Sample;
use super::system::{Place, System, drawn_at};
use super::writer::{Incoming, Writer};
use super::{Refused, Taken};
use crate::database::Failure;
use crate::timeseries::DISK;

/// Moments of each system by which a report is known again.
const KEPT_MOMENTS: u32 = 256;

/// How many more there may be before they are cut back, and how many at most while history's file takes nothing.
const SLACK_MOMENTS: u32 = 32;
const MOST_MOMENTS: u32 = 8_640;

/// What a transaction has decided, to be put in place once it is on the disk.
#[derive(Default)]
pub(super) struct Decided {
    pub(super) systems: HashMap<Arc<str>, System>,
    /// For history: whose, when, how long after the one before where the clock went back, the numbers.
    pub(super) samples: Vec<(Arc<str>, i64, Option<f64>, Sample)>,
    /// One for each report, in their order.
    pub(super) outcomes: Vec<Result<Taken, Refused>>,
}

impl Writer {
    pub(super) fn decide(&self, tables: &mut Tables<'_>, reports: &[Incoming]) -> Result<Decided, Failure> {
        let mut decided = Decided::default();
        let (mut bytes, mut count, mut number) = self.shared.read(|systems| {
            let number = systems.values().map(|system| system.number).max().unwrap_or(0);
            (systems.values().map(|system| system.report_bytes).sum::<u64>(), systems.len(), number)
        });
        let mut new = Vec::new();
        for incoming in reports {
            let name = &incoming.report.system_id;
            let known = decided.systems.get(name).cloned();
            let known = known.or_else(|| self.shared.read(|systems| systems.get(name).cloned()));
            if let Err(refused) = self.shared.settings.admits(name, known.as_ref(), count) {
                decided.outcomes.push(Err(refused));
                continue;
            }
            let mut system = known.unwrap_or_else(|| {
                (count, number) = (count + 1, number + 1);
                System { number, ..System::default() }
            });
            let (before, stored) = (system.report_bytes, system.reports);
            let outcome = self.decide_one(tables, incoming, &mut system, bytes, &mut decided.samples)?;
            bytes = bytes - before + system.report_bytes;
            if system.reports > stored {
                new.push(&incoming.body[..]);
            }
            // One that was refused with its first report is not registered by it.
            if system.reports > 0 || system.is_configured {
                decided.systems.insert(Arc::clone(name), system);
            }
            decided.outcomes.push(outcome);
        }
        if let Some(forward) = self.forward.as_ref().filter(|_| !new.is_empty()) {
            // Before the commit: what is confirmed here is on its way there, too.
            forward(&new).map_err(Failure::refused)?;
        }
        Ok(decided)
    }

    /// Puts one report where it belongs. `bytes` is what the last reports of all systems take.
    fn decide_one(
        &self,
        tables: &mut Tables<'_>,
        incoming: &Incoming,
        system: &mut System,
        bytes: u64,
        samples: &mut Vec<(Arc<str>, i64, Option<f64>, Sample)>,
    ) -> Result<Result<Taken, Refused>, Failure> {
        let Incoming { report, body, sent, arrived, .. } = incoming;
        let (name, epoch, number) = (&report.system_id, report.epoch, system.number);
        match system.place(epoch, *arrived) {
            // A clock that goes to and fro comes by a moment twice.
            Place::Newest if !tables.has_moment(number, epoch)? => {
                let packed = disk::pack(body);
                let size = packed.len() as u64;
                let most = self.shared.settings.most_bytes;
                if bytes - system.report_bytes + size > most {
                    return Ok(Err(Refused::Full(format!(
                        "the last reports of all systems may take {most} bytes and no more; let systems that are gone be \
                         forgotten, or raise [receiver] disk"
                    ))));
                }
                let at = drawn_at(epoch, *sent, *arrived);
                let sample = Sample::new(&report.vitals, system.vitals.as_deref());
                let sample = if at == epoch { sample } else { sample.drawn_at(at) };
                tables.put_last(name, &packed)?;
                system.moments += u32::from(tables.put_moment(number, epoch, Some(&sample))?);
                // Behind what was drawn before, history's clock goes on by the time that went by here: by what the reports say
                // of it, two clocks under one name could push it ahead as far as they like.
                let is_behind = system.drawn.is_some_and(|drawn| at < drawn);
                let passed = || system.last_seen.map_or(0.0, |last| (arrived - last).max(0.0));
                let since = (is_behind || system.was_behind).then(passed);
                samples.push((Arc::clone(name), at, since, sample));
                system.goes_on(report, *arrived, at, size);
            }
            Place::Before if !tables.has_moment(number, epoch)? => {
                let oldest = tables.oldest_moment(number)?;
                if system.moments >= KEPT_MOMENTS && oldest.is_some_and(|oldest| epoch < oldest) {
                    system.heard(report, *arrived, *sent, false);
                    return Ok(Err(Refused::TooOld(KEPT_MOMENTS)));
                }
                system.moments += u32::from(tables.put_moment(number, epoch, None)?);
                system.filled_in(epoch, *arrived);
            }
            Place::Newest | Place::Repeated | Place::Before => {
                system.repeated += 1;
                system.heard(report, *arrived, *sent, false);
                return Ok(Ok(Taken::Stored));
            }
        }
        system.heard(report, *arrived, *sent, system.newest == Some(epoch));
        self.forget_moments(tables, name, system)?;
        tables.put_system(name, system)?;
        Ok(Ok(Taken::Stored))
    }

    /// Cuts a system's moments back to those that are needed: the latest, and those that history has not on the disk.
    fn forget_moments(&self, tables: &mut Tables<'_>, name: &str, system: &mut System) -> Result<(), Failure> {
        if system.moments <= KEPT_MOMENTS + SLACK_MOMENTS {
            return Ok(());
        }
        let is_too_much = system.moments > MOST_MOMENTS;
        let stored = self.shared.history.stored(name).map(|(slot, _)| slot * DISK[0].step);
        let until = if is_too_much { i64::MAX } else { stored.unwrap_or(i64::MIN) };
        let most = if is_too_much { MOST_MOMENTS } else { KEPT_MOMENTS };
        let newest = system.newest.unwrap_or(i64::MAX);
        system.moments -= tables.forget_moments(system.number, system.moments - most, newest, until)?;
        Ok(())
    }
}
