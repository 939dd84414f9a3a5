// What a dashboard file may hold, by Grafana's own types.
import type { Dashboard } from '@grafana/schema/dist/types/raw/dashboard/x/types.gen';
import type * as barGauge from '@grafana/schema/dist/types/raw/composable/bargauge/panelcfg/x/types.gen';
import type * as stat from '@grafana/schema/dist/types/raw/composable/stat/panelcfg/x/types.gen';
import type * as stateTimeline from '@grafana/schema/dist/types/raw/composable/statetimeline/panelcfg/x/types.gen';
import type * as table from '@grafana/schema/dist/types/raw/composable/table/panelcfg/x/types.gen';
import type * as timeSeries from '@grafana/schema/dist/types/raw/composable/timeseries/panelcfg/x/types.gen';

export interface Schema {
  dashboard: Dashboard;
  options: {
    bargauge: Partial<barGauge.Options>;
    stat: Partial<stat.Options>;
    'state-timeline': Partial<stateTimeline.Options>;
    table: Partial<table.Options>;
    timeseries: Partial<timeSeries.Options>;
  };
  custom: {
    'state-timeline': Partial<stateTimeline.FieldConfig>;
    table: Partial<table.FieldConfig>;
    timeseries: Partial<timeSeries.FieldConfig>;
  };
}
