import type { AlertShown } from "../../api/types";
import { Go } from "../../app/Go";
import { safeHref } from "../../format/href";
import { braced } from "../../format/labels";
import { duration } from "../../format/time";
import { Ago } from "../../parts/Ago";
import { Labels } from "../../parts/Labels";
import { Prose } from "../../parts/Prose";
import styles from "./Incident.module.css";

/** The alerts of an incident, with the condition that made each fire. */
export function Alerts({ alerts, cut }: { alerts: readonly AlertShown[]; cut: boolean }) {
  if (alerts.length === 0) return null;
  const first = alerts[0];
  const shared = first?.expr != null && alerts.every((alert) => alert.expr === first.expr) ? first.expr : null;
  return (
    <section className="panel">
      <h2>
        {alerts.length}
        {cut ? "+" : ""} alert{alerts.length === 1 ? "" : "s"}
      </h2>
      {shared !== null && <pre>{shared}</pre>}
      <ul className={styles.alerts}>
        {alerts.map((alert) => (
          <li key={alert.fingerprint}>
            <Alert alert={alert} withExpression={shared === null} />
          </li>
        ))}
      </ul>
      {cut && <p className="quiet">There are more than are shown.</p>}
    </section>
  );
}

function Alert({ alert, withExpression }: { alert: AlertShown; withExpression: boolean }) {
  const source = alert.generatorUrl === null ? null : safeHref(alert.generatorUrl);
  return (
    <div className={styles.alert}>
      <p className="row">
        <b className={alert.state === "firing" ? styles.firing : undefined}>{alert.state}</b>
        <span className="quiet">
          <Ago at={alert.startsAt} />
        </span>
        {alert.value !== null && (
          <span>
            value <code>{alert.value}</code>
          </span>
        )}
        {alert.forMs !== null && alert.forMs > 0 && <span className="quiet">for {duration(alert.forMs)}</span>}
        {alert.mutedBy.length > 0 && <span className="quiet">silenced</span>}
        {source !== null && (
          <a href={source} target="_blank" rel="noopener noreferrer">
            source
          </a>
        )}
        <Go to="/routing" search={{ labels: braced(alert.labels) }}>
          routing
        </Go>
        {alert.source !== null && <span className="quiet">from {alert.source}</span>}
      </p>
      {withExpression && alert.expr !== null && <pre>{alert.expr}</pre>}
      <Labels labels={alert.labels} />
      <dl className={styles.annotations}>
        {Object.entries(alert.annotations).map(([name, text]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              <Prose text={text} />
            </dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
